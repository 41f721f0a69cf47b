/** Names that drive terminals, turn lines round or hide, in everything that a command prints. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { FORMATS } from '../../../cli/drift/format/format-name.ts';
import { printCell, printJson, readCell, visible } from '../../../error/visible.ts';
import { directoryFor } from './fixture.ts';

const MAIN = join(import.meta.dirname, '../../../bundle/main.js');

/** One of each kind: controls, CSI of C1, separators, direction, no width, tags, blanks that are none, fillers. */
const CODES = [
  0x07, 0x0b, 0x1b, 0x7f, 0x85, 0x9b, 0xa0, 0xad, 0x034f, 0x061c, 0x115f, 0x180e, 0x200b, 0x200c, 0x200d,
  0x200f, 0x2003, 0x2028, 0x2029, 0x202e, 0x2060, 0x2066, 0x2069, 0x2800, 0x3164, 0xfe0f, 0xfeff, 0xfff9,
  0x1d173, 0xe0001, 0xe0041, 0xe0101,
];
const HOSTILE = String.fromCodePoint(...CODES);
const ORDINARY = 'é日本🙂';
const COLUMNS = 'ts,host,comm,exe,script,uid,gid,user_name,container,image,addr,port,protocol,verdict,names';

/** A name for a column that ends with what is hostile. */
function name(start: string, character: string): string {
  return `${start}${ORDINARY}${character}x`;
}

function rows(): string {
  const lines = [0, 8, 16, 24].flatMap((at) => {
    const character = String.fromCodePoint(...CODES.slice(at, at + 8));
    const [comm, exe, script] = [name('c', character), name('/bin/', character), name('/srv/', character)];
    const [container, image] = [name('web', character), name('img', character)];
    const end = `10.0.${at}.1,443,tcp`;
    const names = `${name('n', character)}.example`;
    return [
      `2026-11-20T00:00:00Z,h${character},${comm},${exe},,${at},0,u${character},,,${end},allow,${names}`,
      `2026-11-20T01:00:00Z,h${character},${comm},${exe},${script},${at},0,,,,${end},allow,${names}`,
      `2026-11-20T02:00:00Z,h${character},${comm},,,${at},0,,${container},${image},${end},allow,${names}`,
      `2026-11-20T03:00:00Z,h${character},"=${comm}|x",${exe},,${at},0,,,,${end},deny,${names}`,
    ];
  });
  return `${COLUMNS}\n${lines.join('\n')}\n`;
}

/** The whole program: what is said of a failure counts. */
function runCommand(...args: string[]) {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', maxBuffer: 1 << 26 });
}

function assertVisible(what: string, output: string): void {
  for (const code of CODES) {
    assert.ok(!output.includes(String.fromCodePoint(code)), `${what} prints U+${code.toString(16)} as it is`);
  }
}

/** What a command prints to standard output; nothing of it, nor of what it says besides, may be hidden. */
function run(...args: string[]): string {
  const { stderr, stdout } = runCommand(...args);
  assertVisible(args.join(' '), stdout + stderr);
  return stdout;
}

test('no command prints a hostile name as it is', (t) => {
  const directory = directoryFor(t);
  const db = join(directory, 'record.duckdb');
  const flows = join(directory, 'flows.csv');
  const bad = join(directory, `bad${String.fromCodePoint(0x9b, 0x202e)}.csv`);
  const policy = join(directory, `policy${String.fromCodePoint(0x9b, 0x202e)}.yaml`);
  const broken = join(directory, 'broken.yaml');
  writeFileSync(flows, rows());
  writeFileSync(
    bad,
    `ts,comm,uid,gid,addr,port,protocol\n2026-11-20T00:00:00Z,c,0,0,10.0.0.1,${HOSTILE},tcp\n`,
  );
  writeFileSync(broken, `version: 2\nnetwork:\n  mode: "block${HOSTILE.slice(2)}"\n`);
  run('import', flows, '--format', 'csv', '--db', db);
  run('import', bad, '--format', 'csv', '--db', db);
  run('import', bad, '--format', 'csv', '--skip-bad', '--db', db);
  const text = run('generate', '--db', db);
  assert.ok(text.includes(ORDINARY), 'what people can read stays');
  assert.ok(text.includes('\\U000e0041'), 'astral characters are written as YAML has it');
  writeFileSync(policy, text, { mode: 0o600 });
  for (const more of [
    ['--json'],
    ['--layout', 'flat'],
    ['--allow-command-rules'],
    ['--by', 'exe'],
    ['--prove'],
  ]) {
    run('generate', '--db', db, '--include-denied', ...more);
  }
  run('generate', '--db', db, '--base', policy, '--include-denied', '--json');
  run('generate', '--db', db, '--base', policy, '--output', join(directory, HOSTILE.slice(1), 'x'));
  for (const format of FORMATS) run('drift', policy, '--db', db, '--format', format);
  run('drift', policy, '--db', db, '--suggest', '--accept', 'all');
  for (const file of [policy, broken, `${policy}.none`]) {
    run('check', file);
    run('check', file, '--json');
  }
  run('check', policy, '--upgrade');
  run('diff', policy, broken);
  writeFileSync(broken, 'version: 2\nnetwork:\n  allow: []\n', { mode: 0o600 });
  run('diff', policy, broken);
  run('diff', policy, broken, '--json');
  run('explain', policy, '--to', '10.0.5.1:443/tcp', '--uid', '5', '--exe', name('/bin/', '\u009b'));
  run(
    'explain',
    policy,
    '--to',
    '10.0.5.1:443/tcp',
    '--uid',
    '5',
    '--exe',
    name('/bin/', '\u009b'),
    '--json',
  );
  run('explain', policy, '--to', `10.0.5.1${HOSTILE}`);
  run('review', policy, '--db', db);
  run('review', policy, '--db', db, '--json');
  run('status', '--db', db);
  run('status', '--db', db, '--json');
  run('query', 'SELECT * FROM connections', '--db', db);
  run('query', 'SELECT * FROM connections', '--json', '--db', db);
  run('query', `SELECT '${HOSTILE}' FROM nowhere`, '--db', db);
  run('status', '--db', join(directory, HOSTILE));
  run(HOSTILE);
  run('generate', `--${HOSTILE}`);
  run('enforce', `${policy}.none`);
  assert.doesNotMatch(run('export', '--format', 'csv', '--db', db), /^[=+@-]|[,"][=+@-]/m);
  run('export', '--format', 'ndjson', '--db', db);
});

function ruleFor(exe: string): string {
  return `version: 2\nnetwork:\n  allow:\n    - name: "a ${exe}"\n      from: { exe: ["/bin/${exe}"] }\n      to: [{ cidr: [10.0.5.1/32] }]\n`;
}

test('a policy written by hand with what nobody sees is remarked upon by each command that reads it', (t) => {
  const directory = directoryFor(t);
  const db = join(directory, 'record.duckdb');
  const flows = join(directory, 'flows.csv');
  const policy = join(directory, 'policy.yaml');
  const plain = join(directory, 'plain.yaml');
  writeFileSync(flows, rows());
  run('import', flows, '--format', 'csv', '--db', db);
  writeFileSync(policy, ruleFor('c\u200b\u{e0041}\u00a0url'), { mode: 0o600 });
  writeFileSync(plain, ruleFor('curl'), { mode: 0o600 });
  const commands = [
    ['check', policy],
    ['diff', plain, policy],
    ['drift', policy, '--db', db],
    ['explain', policy, '--to', '10.0.5.1:443/tcp', '--uid', '5', '--exe', '/bin/curl'],
    ['review', policy, '--db', db, '--json'],
    ['generate', '--db', db, '--base', policy],
  ];
  for (const args of commands) {
    const { stderr, stdout } = runCommand(...args);
    // What is merged into a policy keeps that policy's text.
    const said = args.includes('--base') ? stderr : stdout + stderr;
    assertVisible(args[0]!, said);
    assert.match(said, /policy\.yaml:5:\d+: warning: the invisible character U\+200B/, args[0]);
    assert.match(said, /: \/bin\/c\\u\{200b\}\\u\{e0041\}\\u\{a0\}url$/m, args[0]);
  }
});

test('an export with hostile names and formulas is imported as it was recorded', (t) => {
  const directory = directoryFor(t);
  const file = join(directory, 'flows.csv');
  const ask = (db: string): string =>
    runCommand(
      'query',
      '--json',
      '--db',
      db,
      'SELECT DISTINCT command, exe, container, host FROM connections ORDER BY ALL',
    ).stdout;
  writeFileSync(file, rows());
  const [one, other] = [join(directory, 'one.duckdb'), join(directory, 'other.duckdb')];
  assert.equal(runCommand('import', file, '--format', 'csv', '--db', one).status, 0);
  const exported = runCommand('export', '--format', 'csv', '--db', one).stdout;
  writeFileSync(file, exported);
  assert.equal(runCommand('import', file, '--format', 'csv', '--db', other).status, 0);
  const known = ask(one);
  assert.match(known, /\\u009b/);
  assert.equal(ask(other), known);
});

test('a cell of CSV can be read back, whatever it holds', () => {
  const cells = [
    '=1+1',
    '+x',
    '-bash',
    '@x',
    "'",
    "'=x",
    "''",
    "it's",
    '\\u{9b}',
    '\\u{5c}',
    '\\x2d',
    '\u009b',
    HOSTILE,
    '',
  ];
  for (const cell of cells) {
    const printed = printCell(cell);
    assert.doesNotMatch(printed, /^[=+@-]/);
    assertVisible('a cell', printed);
    assert.equal(readCell(printed.replace(/^"(.*)"$/s, '$1').replaceAll('""', '"')), cell);
  }
  assert.equal(readCell('\\u{41}'), '\\u{41}', 'of other programs');
});

test('a negative number needs no guard in CSV, what only begins as one does', () => {
  assert.equal(printCell('-3'), '-3');
  assert.equal(readCell("'-3"), '-3', 'as exports were before');
  for (const cell of ['-3+1', '-3\t', '-', '--3', "'-3"]) {
    assert.equal(printCell(cell)[0], "'", cell);
    assert.equal(readCell(printCell(cell)), cell);
  }
});

test('JSON in which nothing is hidden has the same value', () => {
  const value = { [HOSTILE]: [HOSTILE, ORDINARY, '\ud800', 'a\n\tb'] };
  const printed = printJson(value, 2);
  assertVisible('JSON', printed);
  assert.deepEqual(JSON.parse(printed), value);
  assert.ok(printed.includes(ORDINARY));
  assert.equal(visible(`${ORDINARY}\n\u{e0041}`), `${ORDINARY}\\u{a}\\u{e0041}`);
});
