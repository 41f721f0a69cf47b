import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { priorityOf, withPriority } from '../../../output/journal.ts';

const MAIN = join(import.meta.dirname, '../../../bundle/main.js');
const LOG = join(import.meta.dirname, 'journal-child.js');

/** What a program writes to a file that it gets as standard output and error, which systemd says is the journal. */
function written(args: readonly string[], ofJournal = true): string[] {
  const path = join(mkdtempSync(join(tmpdir(), 'bouheki-journal-')), 'journal');
  const file = openSync(path, 'w');
  try {
    const { dev, ino } = fstatSync(file, { bigint: true });
    const env = { ...process.env, JOURNAL_STREAM: `${dev}:${ofJournal ? ino : ino + 1n}` };
    spawnSync(process.execPath, [...args], { env, stdio: ['ignore', file, file] });
  } finally {
    closeSync(file);
  }
  return readFileSync(path, 'utf8').trimEnd().split('\n');
}

test('every line of a failure is an error to the journal', () => {
  for (const command of ['check', 'enforce']) {
    const lines = written([MAIN, command, '/nonexistent/policy.yaml']);
    assert.match(lines[0]!, /^<3>bouheki: /);
    for (const line of lines) assert.match(line, /^<3>/);
  }
});

test('a stream that leads elsewhere since has no priorities', () => {
  assert.match(written([MAIN, 'check', '/nonexistent/policy.yaml'], false)[0]!, /^bouheki: /);
});

test('a denied connection is a warning to the journal', () => {
  const [line, ...rest] = written([LOG]);
  assert.match(line!, /^<4>\{"level":"info"/);
  assert.deepEqual(rest, []);
  assert.match(written([LOG], false)[0]!, /^\{"level":"info"/);
});

test('the beginning of a message says how much it matters', () => {
  const beginnings = ['WARNING: nothing is judged', 'Warning: no names', 'bouheki: cannot', 'Blocking by 1'];
  assert.deepEqual(beginnings.map(priorityOf), ['critical', 'warning', 'error', 'info']);
});

test('lines without text get no priority', () => {
  assert.equal(withPriority('one\n\n  two\n', 'info'), '<6>one\n\n<6>  two\n');
});
