import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import { openRecorder } from '../../../../profiler/store/store.ts';
import { batchOf, type Event, HOUR, LEARN, processRow, startRecording } from '../../profiler/fixture.ts';
import { directoryFor, type Outcome, runCommand } from '../fixture.ts';

const POLICY = `version: 2
network:
  mode: monitor # for now
  target: host
  allow:
    # what the office fetches
    - { name: web, from: { exe: [/usr/bin/curl], uid: [1000] }, to: [{ cidr: [10.0.0.1/32] }] }
    - { name: web of the job, from: { exe: [/usr/bin/curl], uid: [7] }, to: [{ cidr: [10.0.0.1/32] }] }
    - { name: more web, from: { uid: [1000], exe: [/usr/bin/curl] }, to: [{ cidr: [10.0.0.2/32] }] }
    - { name: mail, from: { exe: [/usr/sbin/postfix] }, to: [{ cidr: [10.0.0.9/32] }] }
    - { name: all, to: [{ cidr: [127.0.0.0/8] }] }
`;

interface Made {
  policy: string;
  db: string;
  run(...args: string[]): Outcome;
}

/** A steady day of uid 1000, and events beside it; all of two days was recorded. */
async function made(
  t: TestContext,
  { beside = [], recorded = 48, text = POLICY }: { beside?: Event[]; recorded?: number; text?: string } = {},
): Promise<Made> {
  const directory = directoryFor(t);
  const policy = join(directory, 'policy.yaml');
  const db = join(directory, 'bouheki.duckdb');
  writeFileSync(policy, text, { mode: 0o600 });
  const now = Date.now() * 1000;
  const steady = Array.from({ length: 2000 }, (_, at) => ({
    time: now - 40 * HOUR + at * ((40 * HOUR) / 2000),
    low: 0x0a000001n + BigInt(at % 2),
  }));
  const store = await openRecorder(db);
  const recording = await startRecording(store, { ...LEARN, command: 'enforce', mode: 'monitor' });
  recording.process(processRow());
  recording.command('curl');
  recording.append(batchOf([...steady, ...beside], recording));
  await recording.end('complete');
  await store.connection.run(`UPDATE recording SET started_at = ${now - recorded * HOUR}, ended_at = ${now}`);
  store.close();
  return { policy, db, run: (...args) => runCommand('ladder', policy, '--db', db, ...args) };
}

const ago = (hours: number) => Date.now() * 1000 - hours * HOUR;

const states = ({ stdout }: Outcome) => {
  const { subjects } = JSON.parse(stdout) as {
    subjects: { name: string; state: string; because: string[] }[];
  };
  return subjects.map(({ because, name, state }) => [name, state, because.join('; ')]);
};

/** Mode entries of the file, by name. */
const modesIn = ({ policy }: Made) =>
  parsePolicy(readFileSync(policy, 'utf8'), 'the policy').policy!.modes!.map(({ mode, name }) => [
    name,
    mode,
  ]);

const OF_HOSTS = `version: 2
network:
  mode: monitor
  target: host
  allow:
    - { name: web, from: { exe: [/usr/bin/curl], host: [role=web] }, to: [{ cidr: [10.0.0.1, 10.0.0.2] }] }
    - { name: mail, from: { exe: [/usr/bin/curl], host: [mail-1] }, to: [{ cidr: [10.0.0.9] }] }
`;

test('rules for other hosts of a fleet are none of the host that the record is of', async (t) => {
  const { policy, run } = await made(t, { text: OF_HOSTS });
  const unknown = run('--json');
  assert.match(unknown.stderr, /^It is not known which host of a fleet this is/);
  assert.deepEqual(states(unknown), []);
  const known = run('--json', '--host', 'web-1', '--host', 'role=web', '--climb', '--whole');
  assert.doesNotMatch(known.stderr, /It is not known/);
  assert.deepEqual(
    states(known).map(([name, state]) => [name, state]),
    [['web', 'ready']],
  );
  const { mode, modes } = parsePolicy(readFileSync(policy, 'utf8'), 'the policy').policy!;
  assert.deepEqual([mode, modes!.map(({ from }) => from.host)], ['block', [['role=web']]]);
});

test('a steady subject is ready, one that is not in the record waits, and a rule for everybody is left alone', async (t) => {
  const { policy, run } = await made(t);
  const outcome = run('--json');
  assert.equal(outcome.stderr, '');
  assert.equal(outcome.status, 0);
  const [web, job, mail, all] = states(outcome);
  assert.deepEqual(web!.slice(0, 2), ['web', 'ready']);
  assert.deepEqual(job, ['web of the job', 'waiting', 'it is not in the record']);
  assert.deepEqual(mail, ['mail', 'waiting', 'it is not in the record']);
  assert.equal(all![1], 'held');
  assert.equal(readFileSync(policy, 'utf8'), POLICY, 'nothing was asked to change');
  assert.match(run().stdout, /^web +ready +2,000 +stable, at most 0\.\d % of what comes is unknown$/m);
});

test('a climb writes an entry with its reason, keeps all else byte for byte, and does nothing the second time', async (t) => {
  const { policy, run } = await made(t);
  const first = run('--climb');
  assert.equal(first.status, 0);
  assert.match(first.stderr, /^web: blocked from now on \(\S+ \S+: stable, at most .* quiet for 1d\)$/m);
  const text = readFileSync(policy, 'utf8');
  const added = text.split('\n').filter((line) => !POLICY.split('\n').includes(line));
  assert.match(added.join('\n'), /^ {2}modes:\n {4}# \S+ \S+: stable, .*\n {4}- name: web\n {6}from:/);
  assert.equal(
    text
      .split('\n')
      .filter((line) => !added.includes(line))
      .join('\n'),
    POLICY,
  );
  const { policy: parsed } = parsePolicy(text, 'the policy');
  assert.deepEqual(
    parsed!.modes!.map(({ from, mode, name }) => ({ name, mode, from })),
    [{ name: 'web', mode: 'block', from: { exe: ['/usr/bin/curl'], uid: [1000] } }],
  );
  assert.match(run('--climb').stderr, /^No step to take\.$/m);
  assert.equal(readFileSync(policy, 'utf8'), text);
});

test('entries go into a policy without a mode of its own, and into a list of modes in braces', async (t) => {
  const bare = await made(t, { text: POLICY.replace('  mode: monitor # for now\n', '') });
  assert.equal(bare.run('--climb').status, 0);
  const braces = await made(t, {
    text: POLICY.replace(
      '  target: host\n',
      '  modes: [{ name: other, from: { uid: [5] }, mode: block }]\n  target: host\n',
    ),
  });
  assert.equal(braces.run('--climb').status, 0);
  assert.deepEqual(modesIn(bare), [['web', 'block']]);
  assert.deepEqual(modesIn(braces), [
    ['other', 'block'],
    ['web', 'block'],
  ]);
  assert.match(readFileSync(braces.policy, 'utf8'), /^ +# \S+ \S+: stable, .* quiet for 1d$/m);
});

test('what would have been blocked in the quiet period keeps a subject down, also where it is in doubt', async (t) => {
  const bad = { low: 0x0a000063n, verdict: 2 };
  const late = await made(t, { beside: [{ ...bad, time: ago(3) }] });
  assert.match(
    states(late.run('--json'))[0]![2]!,
    /^1 event of the last 1d would be blocked, the last at \S+ \S+$/,
  );
  assert.match(states(late.run('--json', '--quiet', '2h'))[0]![1]!, /^ready$/, 'it was before');
  // The effective id is another one: an entry that blocks matches it all the same.
  const doubt = await made(t, { beside: [{ ...bad, time: ago(3), euid: 0 }] });
  assert.equal(states(doubt.run('--json'))[0]![1], 'waiting');
  const other = await made(t, { beside: [{ ...bad, time: ago(3), uid: 5 }] });
  assert.equal(states(other.run('--json'))[0]![1], 'ready', 'another subject');
});

test('a quiet period that was not recorded is not quiet', async (t) => {
  const { run } = await made(t, { recorded: 12 });
  assert.match(states(run('--json'))[0]![2]!, /^of the last 1d 12h are recorded$/);
});

test('what is taken down stays down, whatever the record says', async (t) => {
  const { policy, run } = await made(t);
  run('--climb');
  assert.match(run('--down', 'web').stderr, /^web: only monitored from now on, /);
  const text = readFileSync(policy, 'utf8');
  assert.deepEqual(
    parsePolicy(text, 'the policy').policy!.modes!.map(({ mode }) => mode),
    ['monitor'],
  );
  assert.match(run('--climb').stderr, /^No step to take\.$/m);
  assert.equal(readFileSync(policy, 'utf8'), text);
  const never = await made(t);
  never.run('--down', 'mail');
  assert.deepEqual(
    parsePolicy(readFileSync(never.policy, 'utf8'), 'the policy').policy!.modes!.map(({ mode, name }) => [
      name,
      mode,
    ]),
    [['mail', 'monitor']],
  );
  assert.match(never.run('--down', 'nobody').stderr, /^usage: no allow rule is called nobody$/m);
});

test('an entry above that decides for all of a subject keeps it where it is', async (t) => {
  const text = POLICY.replace(
    '  target: host\n',
    '  modes: [{ name: office, from: { uid: [1000] }, mode: monitor }]\n  target: host\n',
  );
  const { run } = await made(t, { text });
  assert.deepEqual(states(run('--json'))[0], ['web', 'held', 'a mode entry above decides for it']);
});

test('the whole policy blocks when all its subjects do, and nothing else would be blocked', async (t) => {
  const text = POLICY.split('\n')
    .filter((line) => !/name: (?:web of|mail|all)/.test(line))
    .join('\n');
  const quiet = await made(t, { text });
  assert.match(quiet.run('--climb', '--whole').stderr, /^the whole policy blocks from now on/m);
  assert.match(readFileSync(quiet.policy, 'utf8'), /^ {2}mode: block # for now$/m);
  assert.match(quiet.run().stderr, /^policy: \S+ blocks all its subjects already$/m);
  const bare = await made(t, { text: text.replace('  mode: monitor # for now\n', '') });
  bare.run('--climb', '--whole');
  assert.equal(parsePolicy(readFileSync(bare.policy, 'utf8'), 'the policy').policy!.mode, 'block');
  const other = await made(t, { text, beside: [{ time: ago(3), uid: 5, low: 1n, verdict: 2 }] });
  assert.doesNotMatch(other.run('--climb', '--whole').stderr, /whole/);
  assert.match(readFileSync(other.policy, 'utf8'), /^ {2}mode: monitor # for now$/m);
});

test('what cannot be put in force is taken out of the file again', async (t) => {
  const { policy, run } = await made(t);
  const { status, stderr } = run('--climb', '--apply');
  assert.equal(status, 2);
  assert.match(stderr, /^Not in force, so \S+ is as it was\.$/m);
  assert.match(stderr, /^no-data: no `bouheki enforce` runs with /m);
  assert.equal(readFileSync(policy, 'utf8'), POLICY);
});

test('contradictions, other versions and policies in braces are refused, and nothing is written', async (t) => {
  const { policy, run } = await made(t);
  assert.match(run('--climb', '--down', 'web').stderr, /^usage: --down does not go with --climb$/m);
  assert.match(run('--apply').stderr, /^usage: --apply needs --climb or --down$/m);
  assert.match(run('--whole').stderr, /^usage: --whole needs --climb$/m);
  writeFileSync(
    policy,
    JSON.stringify({ version: 2, network: { mode: 'monitor', target: 'host', allow: [] } }),
  );
  assert.match(run('--climb').stderr, /^policy: \S+ has no list of allow rules in YAML/m);
  assert.doesNotMatch(readFileSync(policy, 'utf8'), /modes/);
});
