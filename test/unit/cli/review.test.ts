import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { parsePolicy } from '../../../policy/file/parse.ts';
import { asAttacker, ATTACKER, noAttacker, sharedDirectory } from '../host/attacker.ts';
import { directoryFor, runCommand } from './fixture.ts';
import { answer, marked, noTerminal } from './review-fixture.ts';

const MAIN = join(import.meta.dirname, '../../../bundle/main.js');
/** A line of a file of decisions. */
function line(destination: string, decision: string): string {
  return `${JSON.stringify({ rule: '/usr/bin/curl uid 1000', destination, decision })}\n`;
}

test(
  'decisions made in a terminal change the policy at once, and the next review goes on with what is left',
  { skip: noTerminal },
  async (t) => {
    const { db, file } = await marked(t);
    const before = readFileSync(file, 'utf8');
    // The public address is asked about first; an answer is taken back before another one is given.
    const first = await answer(db, file, 'y', 'i', 'u', 's', 'd');
    assert.equal(first.status, 1, first.shown);
    assert.match(first.shown, /Rule +\/usr\/bin\/curl uid 1000/);
    assert.match(first.shown, /Because +public address without a neighbour in its \/24; seen once/);
    assert.match(first.shown, /1\/2: 2 destinations left/);
    assert.match(first.shown, /Undone: 1 decision\./);
    assert.match(first.shown, /Seen +1 event in 1 hour, 2026-11-21 00:00:00Z/);
    assert.match(
      first.shown,
      /Process +curl http:\/\/10\.0\.0\.1\/, pid 4711, uid 1000 \(ada\), started by sh < sshd/,
    );
    assert.match(first.shown, /DESTINATION +COUNT +HOURS/);
    const denied = readFileSync(file, 'utf8');
    assert.match(denied, /name: "\/usr\/bin\/curl uid 1000 \(denied\)"/);
    assert.match(denied, /# review: /);
    const second = await answer(db, file, 'w', '', 'q');
    assert.equal(second.status, 0, second.shown);
    assert.match(second.shown, /Nothing is left to review\./);
    const text = readFileSync(file, 'utf8');
    assert.doesNotMatch(text, /# review: /);
    assert.match(text, /cidr: \[203\.0\.113\.0\/24\], port: \[443\]/);
    const gone = before.split('\n').filter((line) => !text.split('\n').includes(line));
    assert.deepEqual(
      gone.filter((line) => !/# review: |cidr: /.test(line)),
      [],
    );
    assert.equal(runCommand('generate', '--db', db, '--base', file, '--check').status, 0);
  },
);

test(
  'decisions of earlier reviews are taken back one after the other, until the policy is the one that was generated',
  { skip: noTerminal },
  async (t) => {
    const { db, file } = await marked(t);
    const generated = readFileSync(file, 'utf8');
    assert.equal((await answer(db, file, 'd', 'q')).status, 1);
    const denied = readFileSync(file, 'utf8');
    assert.equal((await answer(db, file, 'a')).status, 0);
    // Nothing is left to ask about.
    const undone = runCommand('review', file, '--db', db, '--undo');
    assert.equal(undone.status, 1, undone.stderr);
    assert.match(
      undone.stderr,
      /^Undone: 1 decision\.\n {2}\/usr\/bin\/curl uid 1000: 10\.0\.0\.1:22\/tcp\n1 destination left to review\.$/m,
    );
    assert.equal(readFileSync(file, 'utf8'), denied);
    const { shown } = await answer(db, file, 'u', 'i', 'u', 'u', 'q');
    assert.match(shown, /Undone: 1 decision\.\s+\/usr\/bin\/curl uid 1000: 203\.0\.113\.5:443\/tcp/);
    assert.match(shown, /1\/2: 2 destinations left/);
    assert.match(shown, /There is nothing to undo in this review, and of earlier ones nothing,/);
    assert.equal(readFileSync(file, 'utf8'), generated);
    // Nor does any of them come back.
    const listed = runCommand('review', file, '--db', db, '--json');
    assert.equal(JSON.parse(listed.stdout).items.length, 2);
  },
);

test('an answer is not taken back from a policy that was changed since', async (t) => {
  const { db, file } = await marked(t);
  const decisions = join(directoryFor(t), 'decisions');
  const none = runCommand('review', file, '--db', db, '--undo');
  assert.deepEqual([none.status, readFileSync(file, 'utf8').includes('# review: ')], [2, true]);
  writeFileSync(decisions, line('10.0.0.1:22/tcp', 'deny') + line('203.0.113.5:443/tcp', 'allow'));
  assert.equal(runCommand('review', file, '--db', db, '--decisions', decisions).status, 0);
  const edited = `${readFileSync(file, 'utf8')}# mine\n`;
  writeFileSync(file, edited);
  const { status, stderr } = runCommand('review', file, '--db', db, '--undo');
  assert.equal(status, 2);
  assert.match(stderr, /^usage: the last answer in .*policy\.yaml\.decisions cannot be taken back$/m);
  assert.equal(readFileSync(file, 'utf8'), edited);
  writeFileSync(file, edited.replace('# mine\n', ''));
  assert.equal(runCommand('review', file, '--db', db, '--undo').status, 1);
  assert.equal(runCommand('review', file, '--db', db, '--undo', '--json').status, 2);
  assert.equal(JSON.parse(runCommand('review', file, '--db', db, '--json').stdout).items.length, 2);
});

test(
  'a policy that was generated anew takes earlier decisions, each of which can be taken back',
  { skip: noTerminal },
  async (t) => {
    const { db, file } = await marked(t);
    const generated = readFileSync(file, 'utf8');
    assert.equal((await answer(db, file, 'd', 'i')).status, 0);
    writeFileSync(file, generated);
    const again = await answer(db, file);
    assert.match(again.shown, /2 decisions of .* carried out again/);
    assert.equal(runCommand('review', file, '--db', db, '--undo').status, 1);
    assert.match(readFileSync(file, 'utf8'), /\(denied\)/);
    assert.doesNotMatch(readFileSync(file, 'utf8'), /^# ignored: /m);
    assert.equal(runCommand('review', file, '--db', db, '--undo').status, 1);
    assert.equal(readFileSync(file, 'utf8'), generated);
  },
);

test(
  'earlier decisions that widen are shown, and carried out again only after a yes',
  { skip: noTerminal },
  async (t) => {
    const { db, file } = await marked(t);
    const widen = { rule: '/usr/bin/curl uid 1000', destination: '203.0.113.5:443/tcp', decision: 'widen' };
    writeFileSync(
      `${file}.decisions`,
      line('10.0.0.1:22/tcp', 'deny') + `${JSON.stringify({ ...widen, cidr: '203.0.0.0/8' })}\n`,
    );
    const listed = runCommand('review', file, '--db', db, '--json');
    assert.deepEqual(
      JSON.parse(listed.stdout).items.map(({ destination }: { destination: string }) => destination),
      ['203.0.113.5:443/tcp'],
    );
    const no = await answer(db, file, 'n', 'q');
    assert.match(no.shown, /policy\.yaml\.decisions has 1 earlier decision to allow more than was recorded:/);
    assert.match(no.shown, /curl uid 1000 +203\.0\.113\.5:443\/tcp +203\.0\.0\.0\/8/);
    assert.match(no.shown, /1 decision of .* carried out again/);
    assert.equal(no.status, 1, no.shown);
    assert.doesNotMatch(readFileSync(file, 'utf8'), /203\.0\.0\.0\/8/);
    const yes = await answer(db, file, 'y');
    assert.equal(yes.status, 0, yes.shown);
    assert.match(readFileSync(file, 'utf8'), /203\.0\.0\.0\/8/);
  },
);

test('planted decisions are not carried out, nor added to', { skip: noAttacker }, async (t) => {
  const { db, file } = await marked(t);
  const before = readFileSync(file, 'utf8');
  const planted = `${JSON.stringify({ rule: '/usr/bin/curl uid 1000', destination: '203.0.113.5:443/tcp', decision: 'widen', cidr: '203.0.0.0/8' })}\n`;
  const given = join(sharedDirectory(t), 'given');
  asAttacker(`for (const file of argv.slice(1)) fs.writeFileSync(file, argv[0])`, planted, given);
  writeFileSync(`${file}.decisions`, planted);
  chownSync(`${file}.decisions`, ATTACKER, ATTACKER);
  const own = line('203.0.113.5:443/tcp', 'allow');
  const good = join(directoryFor(t), 'good');
  writeFileSync(good, own);
  for (const options of [['--json'], ['--decisions', given], ['--decisions', good]]) {
    const { status, stderr } = runCommand('review', file, '--db', db, ...options);
    assert.equal(status, 2, stderr);
    assert.match(stderr, /^untrusted: .* can be changed by users other than root: it belongs to uid 1000$/m);
  }
  assert.equal(readFileSync(`${file}.decisions`, 'utf8'), planted);
  assert.equal(readFileSync(file, 'utf8'), before);
  rmSync(`${file}.decisions`);
  assert.equal(spawnSync('mkfifo', [`${file}.decisions`]).status, 0);
  const { status, stderr } = runCommand('review', file, '--db', db, '--json');
  assert.equal(status, 2);
  assert.match(stderr, /cannot read the decisions in/);
});

test('Ctrl-C ends the review and leaves a policy', { skip: noTerminal }, async (t) => {
  const { db, file } = await marked(t);
  const { shown, status } = await answer(db, file, 'i', '\u0003');
  assert.equal(status, 1, shown);
  assert.match(shown, /1 destination left to review\./);
  const text = readFileSync(file, 'utf8');
  assert.ok(parsePolicy(text, file).policy);
  assert.match(text, /^# ignored: /m);
});

test('without a terminal nobody is asked', async (t) => {
  const { db, file } = await marked(t);
  const before = readFileSync(file, 'utf8');
  const { status, stderr } = runCommand('review', file, '--db', db);
  assert.deepEqual([status, stderr], [2, 'usage: review cannot ask: standard input is no terminal\n']);
  const json = runCommand('review', file, '--db', db, '--json');
  assert.equal(json.status, 1);
  assert.deepEqual(
    JSON.parse(json.stdout).items.map((item: { destination: string; count: number }) => [
      item.destination,
      item.count,
    ]),
    [
      ['203.0.113.5:443/tcp', 1],
      ['10.0.0.1:22/tcp', 1],
    ],
  );
  assert.equal(readFileSync(file, 'utf8'), before);
});

test('the same decisions from a file do the same, and the file keeps its mode', async (t) => {
  const { db, file } = await marked(t);
  chmodSync(file, 0o640);
  const decisions = join(directoryFor(t), 'decisions');
  writeFileSync(decisions, line('10.0.0.1:22/tcp', 'deny'));
  const some = runCommand('review', file, '--db', db, '--decisions', decisions);
  assert.equal(some.status, 1, some.stderr);
  assert.match(some.stderr, /^1 decision carried out\.\n1 destination left to review\.$/m);
  writeFileSync(decisions, line('203.0.113.5:443/tcp', 'allow'));
  assert.equal(runCommand('review', file, '--db', db, '--decisions', decisions).status, 0);
  assert.equal(statSync(file).mode & 0o777, 0o640);
  assert.equal(runCommand('review', file, '--db', db, '--json').status, 0);
  assert.equal(readFileSync(`${file}.decisions`, 'utf8').match(/"decision":/g)!.length, 2);
});

test('marks that no question is about are told, in a flat policy and wherever people write one', async (t) => {
  const { db, file } = await marked(t);
  const flat = join(directoryFor(t), 'flat.yaml');
  assert.equal(runCommand('generate', '--db', db, '--layout', 'flat', '--output', flat).status, 0);
  const before = readFileSync(flat, 'utf8');
  const decisions = join(directoryFor(t), 'decisions');
  writeFileSync(decisions, '');
  const told = runCommand('review', flat, '--db', db, '--decisions', decisions);
  assert.equal(told.status, 1, told.stderr);
  assert.doesNotMatch(told.stderr, /Nothing is left/);
  assert.match(told.stderr, /^2 marks left that review cannot settle, .*by hand:$/m);
  const lines = before.split('\n').flatMap((line, at) => (line.includes('# review: ') ? [at + 1] : []));
  for (const line of lines) assert.match(told.stderr, new RegExp(`^  line ${line}: review: `, 'm'));
  const { status, stdout } = runCommand('review', flat, '--db', db, '--json');
  assert.equal(status, 1);
  assert.deepEqual(
    JSON.parse(stdout).byHand.map(({ line }: { line: number }) => line),
    lines,
  );
  assert.equal(readFileSync(flat, 'utf8'), before);
  writeFileSync(flat, before.replaceAll(/ # review: .*/g, ''));
  assert.equal(runCommand('review', flat, '--db', db, '--decisions', decisions).status, 0);
  // Of a policy with rules: on what it denies.
  const odd = readFileSync(file, 'utf8').replace('  deny:', '  # review: do we want this?\n  deny:');
  writeFileSync(file, odd);
  assert.match(
    runCommand('review', file, '--db', db, '--decisions', decisions).stderr,
    /^2 destinations left to review\.\n1 mark left [^]*\n {2}line \d+: review: do we want this\?$/m,
  );
});

test('a decision that fits nothing is named, and nothing is changed', async (t) => {
  const { db, file } = await marked(t);
  const before = readFileSync(file, 'utf8');
  const decisions = join(directoryFor(t), 'decisions');
  writeFileSync(
    decisions,
    '{"rule":"/usr/bin/curl uid 1000","destination":"10.0.0.1:22/tcp","decision":"deny"}\n{"rule":"x","destination":"y","decision":"deny"}\n',
  );
  const { status, stderr } = spawnSync(
    process.execPath,
    [MAIN, 'review', file, '--db', db, '--decisions', decisions],
    {
      encoding: 'utf8',
    },
  );
  assert.equal(status, 2);
  assert.match(stderr, /nothing to review fits 1 decision of .*\n.*Nothing was changed\.\n {2}x: y\n$/);
  assert.equal(readFileSync(file, 'utf8'), before);
});
