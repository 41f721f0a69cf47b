/** The kernel side knows which script an interpreter was started with, and judges by it. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { Egress } from '../../bpf/egress.ts';
import { plainPath, scriptOf } from '../../bpf/interpreter.ts';
import { RecordKind } from '../../bpf/wire.ts';
import { applyPolicy } from '../../enforcer/apply.ts';
import { compilePolicy } from '../../enforcer/compile.ts';
import { parsePolicy } from '../../policy/file/parse.ts';
import { decodeProcess, type ProcessRecord } from '../../profiler/event/decode.ts';
import { primeIdentities } from '../../profiler/identity/prime.ts';
import { testedAttachment } from './attachment.ts';

const ATTEMPT = join(import.meta.dirname, 'identity/attempt');
const folder = mkdtempSync('/tmp/scripts-');
/** bash connects by itself, in a child of its own. */
const CONNECT =
  'if (: >/dev/udp/203.0.113.9/9) 2>&1 | grep -q permitted; then echo denied; else echo allowed; fi\n';

let egress: Egress;

before(() => {
  for (const name of ['good.sh', 'bad.sh']) {
    writeFileSync(join(folder, name), `#!/bin/bash\n[ "$1" = wait ] && echo ready && read -r go\n${CONNECT}`);
    chmodSync(join(folder, name), 0o755);
  }
  for (const name of ['python3.11', 'bash', 'node', 'perl', 'ruby3.1', 'cat']) {
    mkdirSync(join(folder, 'bin'), { recursive: true });
    copyFileSync(ATTEMPT, join(folder, 'bin', name));
  }
});
after(() => egress[Symbol.dispose]());

/** Reads the rings empty: what processes there were. */
function takeProcesses(): ProcessRecord[] {
  const found: ProcessRecord[] = [];
  for (const ring of [egress.connections, egress.denials]) {
    ring.drain((at) => {
      if (ring.bytes[at] === RecordKind.process) found.push(decodeProcess(ring, at));
    });
  }
  return found;
}

function putInForce(rules: string): void {
  const { policy, problems } = parsePolicy(`version: 2\nnetwork:\n  mode: block\n${rules}`, 'test');
  assert(policy, problems.map(({ message }) => message).join('\n'));
  const compiled = compilePolicy(policy, (path) => egress.identify(path));
  applyPolicy(egress, compiled, { mode: 'block', target: 'host', record: true, cgroups: [] });
}

function told(words: readonly string[], cwd = folder): string {
  const { error, stderr, stdout } = spawnSync(words[0]!, words.slice(1), { cwd, encoding: 'utf8' });
  assert(!error, `${words.join(' ')}: ${error?.message} ${stderr}`);
  return stdout.trim();
}

test('what ran before is known by what it shows, or not at all', async () => {
  const waiting = spawn('bash', ['good.sh', 'wait'], { cwd: folder, stdio: ['pipe', 'pipe', 'inherit'] });
  after(() => waiting.kill());
  await once(waiting.stdout, 'data');
  egress = Egress.load(testedAttachment());
  primeIdentities(egress);
  putInForce(`  allow: [{ from: { script: [${folder}/good.sh] } }]\n`);
  waiting.stdin.write('go\n');
  const [said] = (await once(waiting.stdout, 'data')) as [Buffer];
  waiting.stdin.end();
  assert.equal(String(said).trim(), egress.canPrime ? 'allowed' : 'denied');
});

test('the script of every command line is what scriptOf() says', () => {
  putInForce('  allow: []\n');
  takeProcesses();
  for (const line of [
    'python3.11 /opt/app.py',
    'python3.11 -u -OO /opt/app.py /opt/other.py',
    'python3.11 -W ignore /opt/app.py',
    'python3.11 -Wignore /opt/app.py',
    'python3.11 -m http.server',
    'python3.11 -uc /opt/app.py /opt/other.py',
    'python3.11 -- /opt/app.py',
    'python3.11 -',
    'python3.11',
    'bash -euo pipefail /opt/job.sh',
    'bash -lc /opt/job.sh',
    'bash --rcfile /opt/rc /opt/job.sh',
    'node --require x /opt/app.js',
    'node -r x /opt/app.js',
    'node --max-old-space-size=4096 /opt/app.js',
    'node --eval 1 /opt/app.js',
    'perl -Ilonglonglonglonglonglong /opt/x.pl',
    'perl -wwwwwwwwwwwww /opt/x.pl',
    'perl -wwwwwwwwwwwwww /opt/x.pl',
    'perl -wwwwwwwwwwwwwww /opt/x.pl',
    'ruby3.1 -I lib /opt/x.rb',
    'cat /opt/app.py',
  ]) {
    const words = line.split(' ');
    told([join(folder, 'bin', words[0]!), ...words.slice(1)]);
    const [process, ...more] = takeProcesses();
    assert(process && more.length === 0, `${line}: ${1 + more.length} processes`);
    assert.equal(process.script, scriptOf(basename(words[0]!), words) ?? '', line);
  }
});

test('a relative name is made absolute by the directory where it was started', (context) => {
  if (!egress.canPrime) {
    context.skip('this kernel does not tell the working directory');
    return;
  }
  for (const [name, cwd, expected] of [
    ['good.sh', folder, join(folder, 'good.sh')],
    ['./good.sh', folder, join(folder, 'good.sh')],
    [`${folder.slice(1)}/good.sh`, '/', join(folder, 'good.sh')],
    ['../good.sh', join(folder, 'bin'), join(folder, 'good.sh')],
  ] as const) {
    told(['bash', name], cwd);
    assert.equal(takeProcesses()[0]?.script, expected);
  }
});

/** Names of one script, as wrappers write them. */
const DETOURS = [
  `${folder}/bin/../good.sh`,
  `${folder}/.//good.sh`,
  `/${folder}/good.sh`,
  `${folder}/bin/./.././bin//../good.sh`,
  `${folder}/../../../..${folder}/good.sh`,
];

test('a script by .., // or . has the plain path, and the rule for that path', () => {
  putInForce(`  allow: [{ from: { exe: [/bin/bash], script: [${folder}/good.sh] } }]\n`);
  takeProcesses();
  for (const name of DETOURS) {
    assert.equal(told(['bash', name]), 'allowed', name);
    assert.equal(told([name]), 'allowed', name);
    for (const { script } of takeProcesses()) assert.equal(script, join(folder, 'good.sh'), name);
  }
  for (const name of ['/opt/...hidden/..x/a.py', '/.x.py', '/opt//a/.../b/./../c.py', '/../../x.py']) {
    told([join(folder, 'bin/python3.11'), name]);
    assert.equal(takeProcesses()[0]?.script, plainPath(name), name);
  }
  const long = `/opt${'/.'.repeat(120)}/x.py`;
  told([join(folder, 'bin/python3.11'), long]);
  assert.equal(takeProcesses()[0]?.script, '/opt/x.py');
  told([join(folder, 'bin/python3.11'), '/opt/../..']);
  assert.equal(takeProcesses()[0]?.script, '', 'the root directory is no script');
});

test('two scripts of one interpreter are two subjects, however they are started', () => {
  putInForce(`  allow: [{ from: { exe: [/bin/bash], script: [${folder}/good.sh] } }]\n`);
  for (const start of [[], ['bash'], ['bash', '-e'], ['env', 'bash']]) {
    assert.equal(told([...start, `${folder}/good.sh`]), 'allowed', start.join(' '));
    assert.equal(told([...start, `${folder}/bad.sh`]), 'denied', start.join(' '));
  }
  assert.equal(told(['bash', '-c', CONNECT]), 'denied');
  assert.equal(told(['bash', '-c', CONNECT, `${folder}/good.sh`]), 'denied');
  assert.equal(told([join(folder, 'bin/bash'), `${folder}/good.sh`]), 'denied', 'another interpreter');
});

test('a deny by script meets that script alone', () => {
  putInForce(`  deny: [{ from: { script: [${folder}/bad.sh] } }]\n  allow: [{}]\n`);
  assert.equal(told([`${folder}/good.sh`]), 'allowed');
  assert.equal(told([`${folder}/bad.sh`]), 'denied');
  assert.equal(told(['bash', '-c', CONNECT]), 'allowed');
});
