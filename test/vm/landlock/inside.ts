/**
 * In the guest of landlock.long.test.ts: runs Landlock's own test of network rules without bouheki, beside one that
 * monitors and beside one that blocks, and prints what came of each of its cases.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Running } from '../../e2e/bouheki.ts';
import { folder, programsLeft, runWithin } from '../../e2e/guest.ts';

/** Of each case `ok`, `not ok` or `skip`, by its name. */
export type Outcome = Record<string, string>;

/** What the program prints by the way it was run. */
export type Outcomes = Record<'alone' | 'monitor' | 'block', Outcome>;

/** For one run, milliseconds: emulated it takes a minute or two. */
const PATIENCE = 600_000;

const place = folder();

function outcome(): Outcome {
  const { stdout } = runWithin(PATIENCE, process.argv[2]!);
  const lines = stdout.matchAll(/^(ok|not ok) \d+ (?:- )?(\S+)( # SKIP)?/gm);
  return Object.fromEntries([...lines].map(([, what, name, skipped]) => [name!, skipped ? 'skip' : what!]));
}

async function beside(mode: 'monitor' | 'block'): Promise<Outcome> {
  const file = join(place, mode);
  const deny = 'deny: [{ to: [{ cidr: [198.51.100.1] }] }]';
  const allow = 'allow: [{ to: [{}], sockets: [raw, packet, other, source-route] }]';
  writeFileSync(file, `version: 2\nnetwork:\n  mode: ${mode}\n  ${deny}\n  ${allow}\n`, { mode: 0o600 });
  const enforce = await Running.start('enforce', file, '--db', join(place, `${mode}.db`), '--no-preflight');
  const result = outcome();
  const { status, stderr } = await enforce.end('SIGTERM');
  const left = programsLeft();
  if (status !== 0 || left.length > 0) throw new Error(`${status} ${left.join()}\n${stderr}`);
  return result;
}

const outcomes: Outcomes = {
  alone: outcome(),
  monitor: await beside('monitor'),
  block: await beside('block'),
};
console.log(JSON.stringify(outcomes));
