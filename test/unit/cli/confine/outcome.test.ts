import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outcomeMarkdown, outcomeOf, outcomeText } from '../../../../cli/confine/outcome.ts';
import type { RecordedObservation } from '../../../../profiler/read/read.ts';

const CURL = { command: 'curl', exe: '/usr/bin/curl', uid: 1000, gid: 1000, inContainer: false };

function to(address: bigint, more: Partial<RecordedObservation> = {}): RecordedObservation {
  return {
    subject: CURL,
    family: 4,
    address,
    port: 443,
    protocol: 6,
    verdict: 'allow',
    count: 1,
    first: 0,
    last: 0,
    hours: 1,
    monitored: false,
    blocks: [],
    ...more,
  };
}

test('addresses of one name are one line, what was denied comes first, then what is most', () => {
  const outcome = outcomeOf(
    [
      to(0x0a00_0001n, { count: 2 }),
      to(0x0a00_0002n, { names: ['registry.example'], count: 3 }),
      to(0x0a00_0003n, { names: ['registry.example', 'other.example'], count: 4 }),
      to(0x0a00_0004n, { verdict: 'deny', subject: { ...CURL, script: '/ci/postinstall.sh' } }),
      to(0x0a00_0005n, { verdict: 'deny', monitored: true, port: 80 }),
    ],
    [],
  );
  assert.deepEqual(
    outcome.lines.map(({ count, destination, program, verdict }) => [verdict, program, destination, count]),
    [
      ['denied', '/ci/postinstall.sh', '10.0.0.4:443/tcp', 1],
      ['would be denied', '/usr/bin/curl', '10.0.0.5:80/tcp', 1],
      ['allowed', '/usr/bin/curl', 'registry.example:443/tcp', 7],
      ['allowed', '/usr/bin/curl', '10.0.0.1:443/tcp', 2],
    ],
  );
  assert.deepEqual([outcome.connections, outcome.denied], [11, 1]);
  assert.match(outcomeText(outcome), /^11 connections to 4 destinations; 1 denied\.\nVERDICT /);
});

test('losses are told, and those of answers are none of events', () => {
  const losses = [
    { recording: 1, kind: 'ring', count: 4 },
    { recording: 1, kind: 'answer', count: 9 },
  ] as const;
  const outcome = outcomeOf([], [...losses]);
  assert.equal(outcomeText(outcome), 'It connected to nothing.\nThe record lacks events: 4 ring.\n');
});

test('names that others chose end no line and become no markup', () => {
  const subject = { ...CURL, exe: '/tmp/a|b\n| allowed |`x`<b>' };
  const outcome = outcomeOf([to(1n, { subject, verdict: 'deny' })], []);
  const text = outcomeText(outcome);
  assert.equal(text.trimEnd().split('\n').length, 3);
  const markdown = outcomeMarkdown(outcome, ['sh', '-c', 'echo # @all <b>\n| x |']);
  assert.equal(markdown.split('\n').filter((line) => line.startsWith('| ')).length, 3);
  assert.doesNotMatch(markdown, /<b>|[^\\]`/);
});

test('many lines are cut, and how many is said', () => {
  const many = Array.from({ length: 40 }, (_, at) => to(BigInt(at), { port: 1000 + at }));
  assert.match(outcomeText(outcomeOf(many, [])), /\nAnd 10 lines more\.\n$/);
});
