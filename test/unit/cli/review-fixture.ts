import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import assert from 'node:assert/strict';
import { directoryFor, record, runCommand } from './fixture.ts';

export const MAIN = join(import.meta.dirname, '../../../bundle/main.js');
export const noTerminal =
  spawnSync('script', ['--version']).status === 0 ? false : 'needs script(1) for a terminal';

/** curl goes to one host all the time, and went once to each of two others. */
export async function marked(t: TestContext): Promise<{ db: string; file: string }> {
  const directory = directoryFor(t);
  const often = Array.from({ length: 5 }, () => ({}));
  const db = await record(directory, [...often, { port: 22 }, { low: 0xcb007105n }], {}, (recording) =>
    recording.account('user', 1000, 'ada'),
  );
  const file = join(directory, 'policy.yaml');
  assert.equal(runCommand('generate', '--db', db, '--output', file).status, 0);
  return { db, file };
}

/** Runs review in a terminal, and gives an answer each time that it asks. `\u0003` is Ctrl-C. */
export async function answer(
  db: string,
  file: string,
  ...answers: string[]
): Promise<{ status: number; shown: string }> {
  const command = [process.execPath, MAIN, 'review', file, '--db', db].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-qec', command, '/dev/null'], { env: { ...process.env, TERM: 'xterm' } });
  let shown = '';
  child.stdout.on('data', (bytes: Buffer) => (shown += bytes.toString()));
  const ended = once(child, 'exit');
  const asked = (): number => shown.split(/\(q\)uit: |ask anew: |CIDR to widen to [^:]*: /).length - 1;
  for (const [at, text] of answers.entries()) {
    while (asked() <= at && child.exitCode === null) await wait(20);
    child.stdin.write(text === '\u0003' ? text : `${text}\r`);
  }
  const [status] = (await ended) as [number];
  return { status, shown };
}
