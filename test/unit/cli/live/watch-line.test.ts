import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectionJson, WatchLines } from '../../../../cli/live/watch-line.ts';
import type { View } from '../../../../cli/terminal/view.ts';
import { displayWidth } from '../../../../format/display-width.ts';
import { followed } from './followed.ts';

const plain: View = { colour: false };
/** Without the time of the day, which is that of this host. */
const bare = (lines: readonly string[]): string[] => lines.map((line) => line.slice(9));

test('a line has the verdict, who, where and the rule, whole where no terminal cuts it', () => {
  const lines = new WatchLines(() => plain);
  const path = `/opt/${'long/'.repeat(60)}bin`;
  assert.deepEqual(
    bare(
      lines.of(
        [
          followed({ names: ['example.com'], rule: 'web', isNew: true }),
          followed({
            verdict: 'deny',
            subject: { exe: path },
            destination: { family: 6, address: 1n, port: 53 },
          }),
          followed({ verdict: 'noted', subject: { inContainer: true, container: 'web' }, count: 1200 }),
          followed({ destination: { socket: 'raw' }, subject: { uid: 0 }, user: undefined }),
        ],
        0,
      ),
    ),
    [
      'new allow /usr/bin/curl (ada) -> example.com:443/tcp (10.0.0.1)  by "web"',
      `    DENY  ${path} (ada) -> [::1]:53/tcp`,
      '    would deny /usr/bin/curl (uid 1000 in web) -> 10.0.0.1:443/tcp  x1,200',
      '    allow /usr/bin/curl (uid 0) -> raw socket',
    ],
  );
});

test('what was printed is not printed again, but how many more there were is, every ten seconds', () => {
  let now = 0;
  const lines = new WatchLines(
    () => plain,
    () => now,
  );
  const event = followed({ isNew: true });
  assert.deepEqual(bare(lines.of([event, followed()], 0)), [
    'new allow /usr/bin/curl (ada) -> 10.0.0.1:443/tcp  x2',
  ]);
  assert.deepEqual(lines.of([followed(), followed({ count: 4 })], 0), []);
  assert.deepEqual(lines.repeats(), []);
  now = 10_000;
  assert.deepEqual(bare(lines.repeats()), ['    allow /usr/bin/curl (ada) -> 10.0.0.1:443/tcp  5 more']);
  assert.deepEqual(lines.tally, { shown: 7, lines: 2, filtered: 0, missed: 0 });
});

test('a terminal is given as many lines as one can look at, and the number of the others', () => {
  const lines = new WatchLines(() => ({ colour: false, width: 80 }));
  const many = Array.from({ length: 1000 }, (_, index) =>
    followed({ destination: { address: BigInt(index) } }),
  );
  const printed = lines.of(many, 42);
  assert.equal(printed.length, 201);
  assert.equal(printed.at(-1), '… 842 connections not shown: too many at once');
  assert.deepEqual(lines.tally, { shown: 200, lines: 201, filtered: 0, missed: 842 });
});

test('names that others chose show as text, and lines fit into 60, 80 and 200 columns', () => {
  const hostile = [
    followed({ subject: { command: '\u001b[2J\u202egnp', exe: '/tmp/\u001b]0;x\u0007\u202e名前' } }),
    followed({ subject: { exe: `/tmp/${'x'.repeat(4096)}` }, rule: `\n${'y'.repeat(4096)}` }),
    followed({ names: ['👩‍👩‍👧‍👦.example'], verdict: 'deny', isNew: true }),
  ];
  for (const width of [60, 80, 200]) {
    for (const line of new WatchLines(() => ({ colour: false, width })).of(hostile, 0)) {
      assert.ok(displayWidth(line) <= width, `${width}: ${line}`);
      assert.doesNotMatch(line, /[\p{Cc}\u202e]/u);
      if (width > 60) assert.match(line, / -> /);
    }
  }
  const [, , line] = new WatchLines(() => ({ colour: true, width: 80 })).of(hostile, 0);
  assert.ok(line!.includes('\u001b[32mnew\u001b[39m \u001b[31mDENY\u001b[39m  curl'), line);
});

test('as JSON each connection is one line, with its time in ISO 8601', () => {
  const text = connectionJson(followed({ verdict: 'noted', names: ['a\u202eb'], rule: 'web', isNew: true }));
  assert.ok(text.includes('"names":["a\\u202eb"]') && text.indexOf('\n') === text.length - 1);
  const { subject, ...rest } = JSON.parse(text) as Record<string, unknown>;
  assert.deepEqual(rest, {
    schema: 'bouheki.connection/v1',
    first: '2026-11-21T12:00:00.000Z',
    verdict: 'deny',
    noted: true,
    rule: 'web',
    new: true,
    count: 1,
    operation: 'connect',
    address: '10.0.0.1',
    port: 443,
    protocol: 'tcp',
    names: ['a\u202eb'],
  });
  assert.equal((subject as { user: string }).user, 'ada');
  const contained = JSON.parse(connectionJson(followed({ subject: { inContainer: true } }))) as {
    subject: object;
  };
  assert.ok(!('user' in contained.subject), 'the host’s name of a uid says nothing in a container');
});
