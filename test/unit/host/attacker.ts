import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** An ordinary user of the host. */
export const ATTACKER = 1000;

/** Why there is no attacker to play; false when there is. */
export const noAttacker = process.geteuid?.() === 0 ? false : 'needs root, to act as another user';

/** A directory that belongs to us alone, below the shared one for temporary files. */
export function ownDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'bouheki-trust-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A directory in which everybody may make names: one with the sticky bit, as /tmp has it. */
export function sharedDirectory(t: TestContext, mode = 0o1777): string {
  const directory = ownDirectory(t);
  chmodSync(directory, mode);
  return directory;
}

/** Runs JavaScript as the attacker, with all of node:fs in scope, to its end. `args` are in `argv`. */
export function asAttacker(script: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(process.execPath, ['-e', PRELUDE + script, ...args], {
    encoding: 'utf8',
    cwd: '/',
    uid: ATTACKER,
    gid: ATTACKER,
  });
  if (status !== 0) throw new Error(`the attacker ended with ${status}: ${stderr}`);
}

/** The same, while `work` runs, from when the script has printed something: that is handed to it. */
export async function whileAttacked(
  script: string,
  args: readonly string[],
  work: (shown: string) => void | Promise<void>,
): Promise<void> {
  const child = spawn(process.execPath, ['-e', PRELUDE + script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: '/',
    uid: ATTACKER,
    gid: ATTACKER,
  });
  const ended = once(child, 'exit');
  try {
    const begun = (await Promise.race([once(child.stdout, 'data'), ended.then(() => undefined)])) as
      | [Buffer]
      | undefined;
    if (begun === undefined) throw new Error('the attacker ended before it began');
    await work(String(begun[0]));
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

const PRELUDE = `const fs = require('node:fs'); const net = require('node:net'); const { join } = require('node:path');
const argv = process.argv.slice(1);
`;
