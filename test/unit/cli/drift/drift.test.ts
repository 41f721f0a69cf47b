import assert from 'node:assert/strict';
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { identify } from '../../../../cli/drift/format/identify.ts';
import { driftMarkdown } from '../../../../cli/drift/format/markdown.ts';
import { type DriftReport, reportOf } from '../../../../cli/drift/format/report.ts';
import { type DriftEntry, endpoint } from '../../../../generator/drift/entry.ts';
import { Operation } from '../../../../profiler/event/batch.ts';
import { Known } from '../../../../profiler/event/columns.ts';
import { START, type Event } from '../../profiler/fixture.ts';
import { displayWidth } from '../../../../format/display-width.ts';
import { inTerminal } from '../terminal/terminal.ts';
import { directoryFor, type Outcome, record, runCommand } from '../fixture.ts';
import { driftOn, POLICY } from './fixture.ts';

async function driftOf(t: TestContext, events: Event[], ...args: string[]): Promise<Outcome> {
  return (await driftOn(t, events))(...args);
}

test('no drift ends with 0 and an empty standard output', async (t) => {
  assert.deepEqual(await driftOf(t, [{}]), {
    status: 0,
    stdout: '',
    stderr: 'No drift: the policy allows all that was recorded (1 event).\n',
  });
});

test('drift ends with 1 and says who went where, and the rule', async (t) => {
  const { status, stderr, stdout } = await driftOf(t, [
    { port: 8443 },
    { port: 8443 },
    { low: 0xa9fea9fen, port: 80, verdict: 1 },
    { family: 6, high: 0xfd00_0000_0000_0000n, low: 1n, protocol: 17, port: 53, operation: Operation.send },
  ]);
  assert.equal(status, 1);
  assert.equal(stderr, 'Drift: 2 new, 1 denied, in 4 events.\n');
  const time = '2026-11-21 00:00:00Z';
  const ids = stdout.match(/\b[0-9a-v]{12}\b/g)!;
  assert.equal(new Set(ids).size, 3);
  assert.deepEqual(stdout.split('\n'), [
    'New: connections that the policy would not allow',
    '  SUBJECT                 DESTINATION        COUNT  FIRST                 LAST                  ID            RULE',
    `  /usr/bin/curl uid 1000  tcp 10.0.0.1:8443      2  ${time}  ${time}  ${ids[0]}  near web (other destination)`,
    `  /usr/bin/curl uid 1000  udp [fd00::1]:53       1  ${time}  ${time}  ${ids[1]}  near web (other destination)`,
    '  fix: add 8443 to port of rule "web", and so for the other 1',
    '',
    'Denied: attempts that were stopped',
    '  SUBJECT                 DESTINATION             COUNT  FIRST                 LAST                  ID            RULE',
    `  /usr/bin/curl uid 1000  tcp 169.254.169.254:80      1  ${time}  ${time}  ${ids[2]}  denied by no metadata`,
    '  fix: take 169.254.169.254 or its subject out of deny rule "no metadata"',
    '',
  ]);
});

test('--json is one document with a versioned schema', async (t) => {
  const { status, stdout } = await driftOf(t, [{ port: 22 }], '--json');
  assert.equal(status, 1);
  assert.deepEqual(JSON.parse(stdout), {
    schema: 'bouheki.drift/v1',
    new: [
      {
        subject: '/usr/bin/curl uid 1000',
        command: 'curl',
        exe: '/usr/bin/curl',
        uid: 1000,
        inContainer: false,
        address: '10.0.0.1',
        port: 22,
        protocol: 'tcp',
        count: 1,
        first: '2026-11-21T00:00:00.000Z',
        last: '2026-11-21T00:00:00.000Z',
        rule: { name: 'web', relation: 'other destination' },
      },
    ],
    denied: [],
    disagreed: [],
    shared: [],
    changes: [],
    acknowledged: [],
    findings: [
      {
        id: 'rq9vq7cmctr9',
        kind: 'new',
        severity: 'high',
        subject: '/usr/bin/curl uid 1000',
        destination: 'tcp 10.0.0.1:22',
        rule: { name: 'web', relation: 'other destination' },
        count: 1,
        first: '2026-11-21T00:00:00.000Z',
        last: '2026-11-21T00:00:00.000Z',
        evidence: ['1 event at 2026-11-21 00:00:00Z'],
        suggestion: 'add 22 to port of rule "web"',
        addresses: ['10.0.0.1'],
      },
    ],
  });
});

/** What a report says of one entry alone. */
function reportOn(...entries: DriftEntry[]): DriftReport {
  const findings = identify(
    entries.map((entry) => ({
      kind: 'denied',
      severity: 'medium',
      key: JSON.stringify(entry),
      subject: entry.subject,
      destination: endpoint(entry),
      ...(entry.rule && { rule: entry.rule }),
      count: entry.count,
      first: entry.first,
      last: entry.last,
      evidence: ['seen'],
      suggestion: 'add <it>',
      entries: [entry],
    })),
  );
  const drift = { new: [], denied: entries, disagreed: [], shared: [] };
  return reportOf(
    {
      policy: 'policy.yaml',
      lines: new Map(),
      failing: new Set(),
      drift,
      changes: [],
      acknowledged: [],
      findings,
    },
    { by: ['subject', 'rule'], limit: 0 },
  );
}

const ENTRY = {
  subject: '/opt/a|b_`x` uid 0',
  command: 'x',
  uid: 0,
  inContainer: false,
  address: '10.0.0.1',
  port: 0,
  protocol: 'icmp',
  count: 2,
  first: START,
  last: START,
  rule: { name: '<b>', relation: 'denied by' as const },
};

test('Markdown escapes what would be markup', () => {
  const time = '2026-11-21 00:00:00Z';
  const report = reportOn(ENTRY);
  assert.deepEqual(driftMarkdown(report).split('\n'), [
    '### Denied: attempts that were stopped',
    '',
    '| Subject | Destination | Count | First | Last | Id | Rule |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    `| /opt/a\\|b\\_\\\`x\\\` uid 0 | icmp 10.0.0.1 | 2 | ${time} | ${time} | ${report.findings[0]!.id} | denied by \\<b\\> |`,
    '',
    '- add \\<it\\>',
    '',
  ]);
});

test('Markdown fits into a comment: the least severe is cut, and counted', () => {
  const many = Array.from({ length: 1000 }, (_, index) => ({
    ...ENTRY,
    subject: `/opt/${'x'.repeat(60)}${index} uid 0`,
    count: 1000 - index,
  }));
  const markdown = driftMarkdown(reportOn(...many));
  assert(markdown.length <= 60_000, String(markdown.length));
  assert(markdown.length > 59_000, String(markdown.length));
  const shown = markdown.match(/\| 10\b|icmp/g)!.length;
  const [, left] = /^And (\d+) findings in \d+ groups more, less severe or of fewer events\.$/m.exec(
    markdown,
  )!;
  assert.equal(shown + Number(left), 1000);
  assert.match(markdown, /x0 uid 0/);
});

test('--format markdown prints nothing when there is no drift', async (t) => {
  assert.equal((await driftOf(t, [{}], '--format', 'markdown')).stdout, '');
  assert.match((await driftOf(t, [{ port: 22 }], '--format', 'markdown')).stdout, /^### New/);
});

test('denied UDP connects that sent nothing are counted, and listed on request', async (t) => {
  const intent = { protocol: 17, port: 53, verdict: 1, operation: Operation.intent };
  const quiet = await driftOf(t, [{}, intent]);
  assert.equal(quiet.status, 0);
  assert.match(quiet.stderr, /^Denied too: 1 UDP connect with nothing sent; list with --intents\.$/m);
  const listed = await driftOf(t, [{}, intent], '--intents');
  assert.equal(listed.status, 1);
  assert.match(listed.stdout, /udp 10\.0\.0\.1:53/);
  assert.doesNotMatch(listed.stderr, /Denied too/);
});

test('a denied event that the policy allows now is listed with both, and is drift', async (t) => {
  const { status, stdout, stderr } = await driftOf(t, [{}, { verdict: 1 }, { verdict: 1, time: START + 1 }]);
  assert.equal(status, 1);
  assert.equal(stderr, 'Drift: 0 new, 0 denied, 1 disagreed, in 3 events.\n');
  assert.match(stdout, /^Disagreed: the kernel decided otherwise than this policy reads$/m);
  assert.match(stdout, /curl uid 1000 +tcp 10\.0\.0\.1:443 +2 .* was denied; now allowed by web$/m);
});

test('names of the policy that the record has not are said, and are no drift', async (t) => {
  const directory = directoryFor(t);
  const policy = join(directory, 'policy.yaml');
  const names = '[api.example, "*.cdn.example", "*.api.example", typo.example, "*"]';
  const to = `[{ cidr: [10.0.0.0/8] }, { name: ${names}, cidr: [10.0.0.0/8] }]`;
  writeFileSync(policy, `version: 2\nnetwork: { mode: block, allow: [{ to: ${to} }] }\n`);
  const events = ['api.example', 'a.b.cdn.example'].map((name) => ({ names: [name], known: Known.self }));
  const db = await record(directory, events, { command: 'enforce', mode: 'block' });
  const { status, stderr } = runCommand('drift', policy, '--db', db);
  assert.equal(status, 0);
  assert.match(stderr, /^Names of the policy that were never seen: \*\.api\.example, typo\.example\.$/m);
});

test('a rule for a path that is a link allows what the link leads to, as the kernel does', (t) => {
  const directory = realpathSync(directoryFor(t));
  mkdirSync(join(directory, 'usr/bin'), { recursive: true });
  symlinkSync('usr/bin', join(directory, 'bin'));
  for (const program of ['curl', 'python3.11']) writeFileSync(join(directory, 'usr/bin', program), '');
  symlinkSync('python3.11', join(directory, 'usr/bin/python3'));
  const [policy, csv] = ['policy.yaml', 'record.csv'].map((name) => join(directory, name)) as [
    string,
    string,
  ];
  writeFileSync(
    policy,
    `version: 2
network:
  mode: block
  target: host
  allow:
    - { name: usrmerge, from: { exe: [${directory}/bin/curl] }, to: [{ cidr: [10.0.1.31/32] }] }
    - { name: sympy, from: { exe: [${directory}/usr/bin/python3] }, to: [{ cidr: [10.0.1.30/32] }] }
`,
  );
  writeFileSync(
    csv,
    `ts,comm,exe,uid,gid,addr,port,protocol,verdict
2026-11-28T10:00:00Z,curl,${directory}/usr/bin/curl,0,0,10.0.1.31,80,tcp,allow
2026-11-28T10:00:00Z,python3,${directory}/usr/bin/python3.11,0,0,10.0.1.30,80,tcp,allow
2026-11-28T10:00:00Z,python3,${directory}/usr/bin/python3,0,0,10.0.1.31,80,tcp,allow
`,
  );
  const db = join(directory, 'record.duckdb');
  const imported = runCommand('import', csv, '--format', 'csv', '--db', db);
  assert.equal(imported.status, 0, imported.stderr);
  const { stdout, stderr } = runCommand('drift', policy, '--db', db, '--json');
  const drift = JSON.parse(stdout) as { new: { exe: string }[] };
  // A recorded path is not followed: its owner may have made it a link since.
  assert.deepEqual(
    drift.new.map(({ exe }) => exe),
    [`${directory}/usr/bin/python3`],
  );
  assert.match(stderr, /^Links on this host: .*\/bin\/curl is .*\/usr\/bin\/curl, /m);
  const question = ['--to', '10.0.1.30:80/tcp', '--exe'];
  const asked = ['python3', 'python3.11'].map((program) =>
    runCommand('explain', policy, ...question, `${directory}/usr/bin/${program}`),
  );
  assert.deepEqual(
    asked.map(({ status }) => status),
    [0, 0],
  );
});

test('an empty window is told from a clean one', async (t) => {
  const { status, stderr } = await driftOf(t, [{}], '--since', '2026-11-22');
  assert.deepEqual([status, stderr], [0, 'No drift to see: nothing was recorded in this window.\n']);
});

test('in a terminal drift fits its width, in colours; --wide and NO_COLOR keep both away', async (t) => {
  const directory = directoryFor(t);
  const policy = join(directory, 'policy.yaml');
  writeFileSync(policy, POLICY, { mode: 0o600 });
  const db = await record(directory, [
    { port: 8443, family: 6, high: 0x20010db8_12345678n, low: 0x12345678_9abcdef0n },
  ]);
  const main = join(import.meta.dirname, '../../../../bundle/main.js');
  const drift = (env: Record<string, string>, ...args: string[]): string => {
    const { output, status } = inTerminal(80, [main, 'drift', policy, '--db', db, ...args], env);
    assert.equal(status, 1, output);
    return output;
  };
  const plain = drift({ NO_COLOR: '1' });
  assert.match(plain, /^ {2}SUBJECT +DESTINATION +COUNT +RULE$/m);
  assert.match(plain, /^ {2}\/usr\/bin\/curl uid 1000 +tcp \[2001:db8:1.* +1 +near .*…$/m);
  for (const line of plain.split('\n')) assert(displayWidth(line) <= 80, line);
  assert(drift({}).includes('\n  \u001b[1mSUBJECT\u001b[22m '));
  assert(!drift({ TERM: 'dumb' }).includes('\u001b'));
  const wide = drift({ NO_COLOR: '1' }, '--wide');
  assert.match(wide, /^ {2}SUBJECT +DESTINATION +COUNT +FIRST +LAST +ID +RULE$/m);
  assert.match(wide, /near web \(other destination\)$/m);
});
