import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { VerdictEntry } from '../../../../enforcer/log/entry.ts';
import { VerdictLog } from '../../../../enforcer/log/verdict-log.ts';
import { BouhekiError } from '../../../../error/error.ts';
import type { LogOptions } from '../../../../policy/meaning/policy.ts';

const ENTRY: VerdictEntry = {
  action: 'BLOCKED',
  address: '10.0.1.71',
  command: 'curl',
  hostname: 'cdb99d181368',
  pid: 936_350,
  port: 80,
  uid: 1000,
  protocol: 'tcp',
  policy: 'a319adda2ef2',
};
const FULL: VerdictEntry = {
  ...ENTRY,
  name: 'api.example',
  action: 'MONITOR',
  exe: '/usr/bin/curl',
  user: 'ada',
  parentCommand: 'sh',
  ancestors: 'bash < sshd < systemd',
  container: 'web',
  image: 'docker.io/nginx:1',
  rule: 'cloud metadata',
};

/** The lines that a log with these options writes in three seconds. */
function linesOf(
  t: TestContext,
  entries: readonly VerdictEntry[],
  options: Partial<LogOptions> = {},
): string[] {
  const { log, path, tick } = open(t, options);
  tick(3000);
  for (const entry of entries) log.write(entry);
  return readFileSync(path, 'utf8').split('\n').slice(0, -1);
}

function open(t: TestContext, options: Partial<LogOptions>) {
  const folder = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'log');
  let now = Date.UTC(2021, 8, 26, 13, 21, 58);
  const failures: (string | undefined)[] = [];
  const all = { format: 'json', level: 'info', labels: {}, output: path, ...options } as const;
  const log = new VerdictLog(
    all,
    ({ code }) => failures.push(code),
    () => now,
    () => now,
  );
  return { log, path, failures, tick: (milliseconds: number) => void (now += milliseconds) };
}

test('a JSON line has the keys that users parse already, with their types', (t) => {
  const [line] = linesOf(t, [ENTRY]);
  assert.deepEqual(JSON.parse(line!), {
    Action: 'BLOCKED',
    Addr: '10.0.1.71',
    Comm: 'curl',
    Hostname: 'cdb99d181368',
    PID: 936_350,
    Port: 80,
    level: 'info',
    msg: 'Traffic is trapped in the filter.',
    time: '2021-09-26T13:22:01Z',
    UID: 1000,
    Protocol: 'tcp',
    Policy: 'a319adda2ef2',
  });
});

test('what more is known follows in keys of its own, and labels are added', (t) => {
  const [line] = linesOf(t, [FULL], { labels: { site: 'north' } });
  const { Action, Name, Exe, User, ParentComm, Ancestors, Container, Image, Rule, site } = JSON.parse(
    line!,
  ) as Record<string, unknown>;
  assert.deepEqual(
    { Action, Name, Exe, User, ParentComm, Ancestors, Container, Image, Rule, site },
    {
      Action: 'MONITOR',
      Name: 'api.example',
      Exe: '/usr/bin/curl',
      User: 'ada',
      ParentComm: 'sh',
      Ancestors: 'bash < sshd < systemd',
      Container: 'web',
      Image: 'docker.io/nginx:1',
      Rule: 'cloud metadata',
      site: 'north',
    },
  );
});

test('a text line has the seconds since the start and the fields in their order', (t) => {
  const [line] = linesOf(t, [ENTRY], { format: 'text' });
  assert.match(
    line!,
    /^INFO\[0003\] Traffic is trapped in the filter\. +Action=block Addr=10\.0\.1\.71 Comm=curl Hostname=cdb99d181368 PID=936350 Port=80 /,
  );
});

test('a name cannot end a line, move a cursor or pose as a field', (t) => {
  const names = [
    'a\nINFO[0000] forged',
    'a Action=monitor',
    'a="b"',
    '\u001b[2Jx',
    '\u009b2J',
    '\u2028',
    'back\\slash',
    '\ufffd',
    '',
  ];
  const entries = names.map((command) => ({ ...ENTRY, command, container: command, name: command }));
  const lines = linesOf(t, entries, { format: 'text' });
  assert.equal(lines.length, names.length);
  for (const line of lines) {
    assert.match(
      line,
      /^INFO\[0003\] Traffic is trapped in the filter\. +Action=block Addr=10\.0\.1\.71 Comm="/,
    );
    // oxlint-disable-next-line no-control-regex
    assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
    const quoted = [...line.matchAll(/(\w+)=("[^"]*"|[^\s"]+)(?: |$)/g)].map(([, name]) => name);
    assert.equal(quoted.filter((name) => name === 'Action').length, 1, line);
  }
  for (const [index, line] of linesOf(t, entries).entries()) {
    assert.equal((JSON.parse(line) as { Comm: string }).Comm, names[index]);
  }
});

test('below the level of verdicts nothing is written', (t) => {
  assert.deepEqual(linesOf(t, [ENTRY], { level: 'warn' }), []);
  assert.deepEqual(linesOf(t, [ENTRY], { level: 'error', format: 'text' }), []);
  assert.equal(linesOf(t, [ENTRY], { level: 'debug' }).length, 1);
});

test('after a rotation the log goes on in a new file', (t) => {
  const { log, path } = open(t, {});
  log.write(ENTRY);
  renameSync(path, `${path}.1`);
  log.reopen();
  log.write(ENTRY);
  for (const file of [path, `${path}.1`]) {
    assert.equal(readFileSync(file, 'utf8').trimEnd().split('\n').length, 1);
  }
});

test('a log that was renamed or removed goes on under its name, without being told', (t) => {
  const { log, path, failures } = open(t, {});
  log.write(ENTRY);
  log.tick();
  renameSync(path, `${path}.1`);
  log.tick();
  log.write(ENTRY);
  rmSync(path);
  log.tick();
  log.write(ENTRY);
  log.write(ENTRY);
  const lengths = [`${path}.1`, path].map((file) => readFileSync(file, 'utf8').trimEnd().split('\n').length);
  assert.deepEqual([lengths, failures], [[1, 2], []]);
});

test('a new log can be read by its group whatever the umask, and one that is there keeps its mode', (t) => {
  const before = process.umask(0o077);
  try {
    const { log, path } = open(t, {});
    const mode = (): number => statSync(path).mode & 0o777;
    assert.equal(mode(), 0o640);
    renameSync(path, `${path}.1`);
    log.reopen();
    assert.equal(mode(), 0o640);
    chmodSync(path, 0o600);
    log.reopen();
    log.close();
    assert.equal(mode(), 0o600);
  } finally {
    process.umask(before);
  }
});

test('a full disk is told once, ends nothing, and lines are kept until there is room', (t) => {
  for (const format of ['json', 'text', 'ecs', 'ocsf'] as const) {
    const folder = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const output = join(folder, 'log');
    symlinkSync('/dev/full', output);
    const { log, failures } = open(t, { output, format });
    for (let line = 0; line < 3; line += 1) log.write(ENTRY);
    assert.deepEqual(failures, ['ENOSPC']);
    rmSync(output);
    log.reopen();
    log.write(ENTRY);
    assert.equal(readFileSync(output, 'utf8').trimEnd().split('\n').length, 4);
    assert.deepEqual(failures, ['ENOSPC']);
  }
});

test('a log that cannot be opened is an error of the policy, with a remedy', (t) => {
  assert.throws(
    () => open(t, { output: '/nowhere/log' }),
    (error) => error instanceof BouhekiError && error.code === 'policy' && error.remedy !== undefined,
  );
});

test('a folder that has gone after a rotation is told, and lines go on into the old file', async (t) => {
  const { log, path, failures } = open(t, {});
  renameSync(join(path, '..'), `${join(path, '..')}-moved`);
  t.after(() => rmSync(`${join(path, '..')}-moved`, { recursive: true }));
  log.reopen();
  log.write(ENTRY);
  await new Promise(setImmediate);
  log.tick();
  assert.deepEqual(failures, ['ENOENT'], 'once');
  assert.equal(readFileSync(`${join(path, '..')}-moved/log`, 'utf8').split('\n').length, 2);
});
