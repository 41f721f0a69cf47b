import assert from 'node:assert/strict';
import test from 'node:test';
import { DenialLines } from '../../../../enforcer/log/denial-line.ts';
import type { VerdictEntry } from '../../../../enforcer/log/entry.ts';
import { scriptInTerminal } from '../../cli/terminal/terminal.ts';

const DENIAL: VerdictEntry = {
  action: 'BLOCKED',
  address: '10.0.9.9',
  command: 'curl',
  port: 8080,
  protocol: 'tcp',
  uid: 0,
  user: 'root',
};

function lines(at = new Date(2026, 10, 28, 12, 1, 54).getTime()) {
  let now = at;
  let passed = 0;
  return {
    lines: new DenialLines(
      false,
      () => now,
      () => passed,
    ),
    set: (seconds: number) => void (now += seconds * 1000),
    pass(seconds: number): void {
      now += seconds * 1000;
      passed += seconds * 1000;
    },
  };
}

function nearest(name: string, boxes = 1): NonNullable<VerdictEntry['nearest']> {
  return { boxes, find: () => name };
}

test('a denial is one line: when, who, where to, and the rule that comes nearest', () => {
  const entry = { ...DENIAL, nearest: nearest('/usr/bin/curl uid 0') };
  assert.equal(
    lines().lines.of(entry),
    '12:01:54 DENY curl (root) -> 10.0.9.9:8080/tcp  near "/usr/bin/curl uid 0"\n',
  );
});

test('a clock that is set back does not put off what was repeated', () => {
  const { lines: denials, pass, set } = lines();
  for (let time = 0; time < 3; time += 1) denials.of(DENIAL);
  set(-48 * 3600);
  pass(10);
  assert.match(denials.repeats(), /\(2 more\)\n$/);
});

test('each kind of denial has its words', () => {
  const of = (change: Partial<VerdictEntry>): string =>
    lines()
      .lines.of({ ...DENIAL, ...change })
      .slice(9, -1);
  assert.equal(of({ action: 'MONITOR' }), 'WOULD DENY curl (root) -> 10.0.9.9:8080/tcp');
  assert.equal(of({ rule: 'no metadata' }), 'DENY curl (root) -> 10.0.9.9:8080/tcp  by "no metadata"');
  assert.equal(of({ address: 'fd00::1', protocol: 'udp' }), 'DENY curl (root) -> [fd00::1]:8080/udp');
  assert.equal(of({ address: 'fd00::1', port: 0, protocol: 'icmpv6' }), 'DENY curl (root) -> fd00::1/icmpv6');
  assert.equal(of({ name: 'api.example' }), 'DENY curl (root) -> api.example:8080/tcp (10.0.9.9)');
  assert.equal(
    of({ name: 'a\u{9b}\n.example', address: 'fd00::1', port: 0, protocol: 'icmpv6' }),
    'DENY curl (root) -> a\\u{9b}\\u{a}.example/icmpv6 (fd00::1)',
  );
  const { address: _, port: __, ...nowhere } = DENIAL;
  const socket = { ...nowhere, socket: 'raw' };
  assert.equal(lines().lines.of(socket), '12:01:54 DENY curl (root) opens raw socket\n');
  const sum: VerdictEntry = { action: 'BLOCKED', uid: 1000, container: 'web', count: 3210 };
  assert.equal(lines().lines.of(sum), '12:01:54 DENY uid 1000 in container web  (3,210 times)\n');
});

test('a repeat is not said again, but counted every ten seconds, and at the end', () => {
  const { lines: said, pass } = lines();
  assert.notEqual(said.of(DENIAL), '');
  assert.equal(said.of(DENIAL), '');
  assert.equal(said.of({ ...DENIAL, count: 41, pid: 7 }), '');
  assert.equal(said.repeats(), '');
  assert.notEqual(said.of({ ...DENIAL, port: 81 }), '');
  pass(10);
  assert.equal(said.repeats(), '12:02:04 DENY curl (root) -> 10.0.9.9:8080/tcp  (42 more)\n');
  assert.equal(said.of(DENIAL), '');
  assert.equal(said.repeats(true), '12:02:04 DENY curl (root) -> 10.0.9.9:8080/tcp  (1 more)\n');
  // What was not repeated for so long is said anew.
  pass(10);
  assert.equal(said.repeats(), '');
  assert.notEqual(said.of(DENIAL), '');
});

test('a name cannot drive the terminal, nor end its line', () => {
  const line = lines().lines.of({ ...DENIAL, command: '\u001b[2J\nx', rule: 'a\r"' });
  assert.equal(line, '12:01:54 DENY \\u{1b}[2J\\u{a}x (root) -> 10.0.9.9:8080/tcp  by "a\\u{d}""\n');
});

test('a large policy is not searched for each of many denials', () => {
  const { lines: said, pass } = lines();
  let searched = 0;
  const large = { boxes: 6000, find: () => String((searched += 1)) };
  for (let port = 1; port <= 1000; port += 1) said.of({ ...DENIAL, port, nearest: large });
  assert.equal(searched, 3);
  pass(1);
  assert.match(said.of({ ...DENIAL, port: 2000, nearest: large }), /near "4"/);
});

test('every denial is in a line or in a count, whatever ports a scan tries', () => {
  const { lines: said } = lines();
  let told = 0;
  for (let port = 1; port <= 3000; port += 1) if (said.of({ ...DENIAL, port }) !== '') told += 1;
  assert.equal(told, 3000);
});

/** What a log without a file writes of a denial, twice. */
const WRITE = (format: string): string => `
  const { VerdictLog } = await import(${JSON.stringify(new URL('../../../../enforcer/log/verdict-log.js', import.meta.url).href)});
  const log = new VerdictLog({ format: '${format}', level: 'info', labels: {} }, () => {});
  for (let time = 0; time < 2; time += 1) log.write(${JSON.stringify(DENIAL)});
  await log.close(2000);`;

test('in a terminal the log is for people, in colours where they are wanted', () => {
  const line = String.raw`\d\d:\d\d:\d\d DENY curl \(root\) -> 10\.0\.9\.9:8080\/tcp`;
  assert.match(
    scriptInTerminal(80, WRITE('json'), { NO_COLOR: '1' }),
    new RegExp(`^${line}\n${line}  \\(1 more\\)\n$`),
  );
  assert(scriptInTerminal(80, WRITE('json')).includes(' \u001b[31mDENY\u001b[39m curl '));
});

test('who asks for the text format gets it in a terminal too', () => {
  assert.match(
    scriptInTerminal(80, WRITE('text')),
    /^(INFO\[0000\] Traffic is trapped in the filter\. .*\n){2}$/,
  );
});
