import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type Event, HOUR, START } from '../../profiler/fixture.ts';
import { directoryFor, type Outcome, record, runCommand } from '../fixture.ts';

const rule = (name: string, address: string) =>
  `    - { name: ${name}, from: { exe: [/usr/bin/curl] }, to: [{ cidr: [${address}/32] }] }\n`;
const policy = (...rules: string[]) => `version: 2\nnetwork:\n  mode: block\n  allow:\n${rules.join('')}`;

async function simulated(t: TestContext, events: Event[], ...args: string[]): Promise<Outcome> {
  const directory = directoryFor(t);
  const candidate = join(directory, 'next.yaml');
  writeFileSync(candidate, policy(rule('web', '10.0.0.1')));
  writeFileSync(join(directory, 'now.yaml'), policy(rule('old web', '10.0.0.1'), rule('mail', '10.0.0.2')));
  const db = await record(directory, events, { command: 'enforce', mode: 'block' });
  return runCommand('simulate', candidate, '--db', db, ...args.map((each) => each.replace('DIR', directory)));
}

const EVENTS: Event[] = [{}, {}, { low: 0x0a000002n }, { low: 0x0a000003n, verdict: 1 }, { verdict: 1 }];

test('what would be blocked and what would go through is listed with its rule, and the exit status is 1', async (t) => {
  const { status, stderr, stdout } = await simulated(t, EVENTS);
  assert.deepEqual([status, stderr], [1, '']);
  const [head, ...lines] = stdout.replaceAll(/\/\S*\//g, '/').split('\n');
  assert.equal(head, '5 recorded events under /next.yaml, if it blocked:');
  assert.deepEqual(
    lines.map((line) =>
      line
        .trimEnd()
        .replaceAll(/ {2,}/g, '  ')
        .replaceAll(/2026-11-21 \S+Z/g, 'TIME'),
    ),
    [
      '2  went through, and would go through',
      '1  went through, and would be blocked',
      '1  were stopped, and would be stopped',
      '1  were stopped, and would go through',
      '',
      'Would be blocked:',
      '  SUBJECT  DESTINATION  COUNT  LAST  RULE',
      '  /curl uid 1000  tcp 10.0.0.2:443  1  TIME  near web (other destination)',
      '',
      'Would go through:',
      '  SUBJECT  DESTINATION  COUNT  LAST  RULE',
      '  /curl uid 1000  tcp 10.0.0.1:443  1  TIME  allowed by web',
      '',
    ],
  );
});

test('beside the policy in force, what changes is listed', async (t) => {
  const { stdout } = await simulated(t, EVENTS, '--against', 'DIR/now.yaml');
  assert.match(stdout, /^Beside \S+now\.yaml: 1 event more denied, 0 more allowed\.$/m);
  assert.match(stdout, /^Denied, and allowed by \S+now\.yaml:$/m);
  assert.doesNotMatch(stdout, /^Allowed, and denied by/m);
});

test('where nothing would be blocked the exit status is 0', async (t) => {
  const { status, stdout } = await simulated(t, [{}, {}]);
  assert.deepEqual([status, stdout.split('\n').length], [0, 6]);
});

test('as JSON it has all of it, with a schema', async (t) => {
  const { status, stdout } = await simulated(t, EVENTS, '--against', 'DIR/now.yaml', '--json');
  assert.equal(status, 1);
  type Entry = { address: string; count: number; first: string };
  const { against, blocked, opened, ...rest } = JSON.parse(stdout) as {
    blocked: Entry[];
    opened: Entry[];
    against: { closed: Entry[]; opened: Entry[] };
    candidate: string;
  };
  assert.deepEqual(
    { ...rest, candidate: '' },
    { schema: 'bouheki.simulate/v1', candidate: '', events: 5, passed: 2, noted: 0, stopped: 1 },
  );
  assert.deepEqual(
    [blocked, opened, against.closed, against.opened].map((list) =>
      list.map(({ address, count }) => [address, count]),
    ),
    [[['10.0.0.2', 1]], [['10.0.0.1', 1]], [['10.0.0.2', 1]], []],
  );
  assert.match(blocked[0]!.first, /^2026-11-21T/);
});

test('each event is judged at its own time, by the rules that hold then', async (t) => {
  const directory = directoryFor(t);
  const candidate = join(directory, 'next.yaml');
  const until = new Date((START + HOUR) / 1000).toISOString();
  const ending = rule('web', '10.0.0.1').replace('name: web', `name: web, until: "${until}"`);
  writeFileSync(candidate, policy(ending));
  const db = await record(
    directory,
    [0, 1, 2].map((hour) => ({ time: START + hour * HOUR })),
  );
  const { stdout, status } = await runCommand('simulate', candidate, '--db', db);
  assert.equal(status, 1);
  assert.match(stdout, /^1 {2}went through, and would go through$/m);
  assert.match(stdout, /^2 {2}went through, and would be blocked$/m);
  assert.match(stdout, /near web \(ended\)/);
  const drift = await runCommand('drift', candidate, '--db', db, '--format', 'text');
  assert.match(drift.stdout, /give rule "web" a later until: it ended at/);
  assert.match(drift.stdout, /ended by itself at 2026-11-21 .*, and allows nothing any more/);
});
