/** The container image, on a host whose only way in it is: it works as one that is installed there. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { curl, curlRefused } from './attempt.ts';
import { query } from './bouheki.ts';
import {
  folder,
  inContainer,
  makeImage,
  programsLeft,
  ROOT,
  run,
  runWithin,
  startNetwork,
  stopNetwork,
  succeeded,
} from './guest.ts';

const packages = join(ROOT, 'dist/package');
const archive = existsSync(packages)
  ? readdirSync(packages).find((name) => name.endsWith('.oci.tar'))
  : undefined;

/** As packaging/kubernetes has it. */
const ON_HOST = ['--privileged', '--pid', 'host', '--network', 'host', '--cgroupns', 'host'];
const FILES = ['--volume', '/:/host:rslave'];
const PATIENCE = 300_000;

const place = folder();
const db = join(place, 'record.duckdb');
/** As it is called when it has been loaded. */
let image = '';

const once = (options: string[], ...args: string[]) =>
  runWithin(PATIENCE, 'podman', 'run', '--rm', ...options, image, ...args);

/** Has it run in the background until standard error holds the pattern. */
async function begin(pattern: RegExp, options: string[], ...args: string[]): Promise<void> {
  succeeded(
    run('podman', 'run', '-d', '--name', 'bouheki', ...ON_HOST, ...FILES, ...options, image, ...args),
  );
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const { stderr, stdout } = run('podman', 'logs', 'bouheki');
    if (pattern.test(stderr)) return;
    if (performance.now() > deadline) throw new Error(`no ${pattern}\n${stdout}${stderr}`);
    await wait(500);
  }
}

/** Ends it, and returns its exit status. */
function end(): string {
  succeeded(runWithin(PATIENCE, 'podman', 'stop', '--time', '240', 'bouheki'));
  const { stdout } = succeeded(run('podman', 'inspect', '--format', '{{.State.ExitCode}}', 'bouheki'));
  succeeded(run('podman', 'rm', 'bouheki'));
  return stdout.trim();
}

/** A shell command that prints the address where it is reached. */
const fetch = (address: string) => `busybox wget -q -O /dev/null http://${address}/ && echo ${address}`;

const POLICY = `version: 2
network:
  mode: block
  allow:
    - { name: host, from: { exe: [/usr/bin/curl] }, to: [{ cidr: [10.0.1.1/32] }] }
    - { name: web, from: { container: [web] }, to: [{ cidr: [10.0.1.2/32] }] }
`;

suite('bouheki as a container', { skip: archive ? false : 'no image in dist/package: make package' }, () => {
  before(() => {
    startNetwork();
    makeImage();
    const { stdout } = succeeded(runWithin(PATIENCE, 'podman', 'load', '--input', join(packages, archive!)));
    image = /localhost\/bouheki:\S+/.exec(stdout)![0];
  });
  after(stopNetwork);

  test('doctor finds a host that it can watch, and block', () => {
    const { status, stderr, stdout } = once([...ON_HOST, ...FILES], 'doctor');
    assert.equal(status, 0, stdout + stderr);
    assert.doesNotMatch(stdout, /MISSING/);
  });

  test('learn names programs, other containers and the host as one that is installed', async () => {
    await begin(/^Recording \d+ into /m, [], 'learn', '--db', db);
    succeeded(inContainer('web', 'wget', '-q', '-O', '/dev/null', 'http://10.0.1.1/'));
    succeeded(run(...curl('http://10.0.1.2/')));
    assert.equal(end(), '0');
    const rows = await query(db, 'SELECT container, exe, uid, address FROM connections ORDER BY address');
    assert.deepEqual(rows, [
      { container: 'web', exe: '/bin/busybox', uid: 0, address: '10.0.1.1' },
      { container: null, exe: '/usr/bin/curl', uid: 0, address: '10.0.1.2' },
    ]);
  });

  test('enforce knows files of the host and of containers, and takes its policy from /policy', async () => {
    writeFileSync(join(place, 'policy.yaml'), POLICY);
    const options = ['--volume', `${place}:/policy:ro`];
    await begin(
      /^Blocking by /m,
      options,
      'enforce',
      '/run/bouheki-policy/policy.yaml',
      '--db',
      db,
      '--force',
    );
    succeeded(run(...curl('http://10.0.1.1/')));
    assert.ok(curlRefused(run(...curl('http://10.0.1.2/'))));
    const { stdout } = inContainer('web', 'sh', '-c', `sleep 5; ${fetch('10.0.1.1')}; ${fetch('10.0.1.2')}`);
    assert.equal(stdout, '10.0.1.2\n');
    assert.equal(end(), '0');
    assert.deepEqual(programsLeft(), []);
  });

  test('without what it needs of a host it says which option is missing', () => {
    const apart = once(['--privileged', '--network', 'host', ...FILES], 'doctor');
    assert.match(apart.stderr, /--pid host/);
    const bare = once(['--pid', 'host', '--network', 'host', ...FILES], 'doctor');
    assert.match(bare.stderr, /--privileged/);
    assert.deepEqual([apart.status, bare.status], [2, 2]);
  });

  test('a policy is checked without any right on the host', () => {
    const unprivileged = ['--cap-drop', 'all', '--network', 'none'];
    const { stdout } = succeeded(once(unprivileged, 'schema'));
    assert.match(stdout, /"title": "bouheki policy"/);
  });
});
