/**
 * Orders to reload come 24 times a second for a minute, with files among them that are broken: every verdict is that of
 * one policy as a whole, and nothing piles up.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { askControl } from '../../daemon/control/control-client.ts';
import { Client, type Destination, type Tally } from '../kernel/client/client.ts';
import { Running } from './bouheki.ts';
import { folder, programsLeft, run, startNetwork, stopNetwork, succeeded } from './guest.ts';

const RATE = 24;
const SECONDS = 60;
/** How many files must have been read while it lasts: a machine under load needs longer for them. */
const FILES = 60;
/** Of the clients: they never rest, and where all share a processor or two the daemon must have its part. */
const NICE = 10;
/** What the heap of V8 may have, MiB: it would take more before it collects, and a leak ends the process so. */
const HEAP = 40;
/** What all memory may grow by, MiB. */
const GROWTH = 48;

const UIDS = [1000, 2000] as const;
const TO: Destination[] = [1, 2, 3].map((last) => ({ address: `10.0.1.${last}`, port: 80 }));

const place = folder();
const file = join(place, 'policy.yaml');
const db = join(place, 'record.duckdb');

/** Of two users one reaches an address, and both reach the last one. Parts of A and of B allow what neither does. */
function policy(uid: number, address: string): string {
  const rules = `
    - { name: one, from: { uid: [${uid}] }, to: [{ cidr: [${address}] }] }
    - { name: both, to: [{ cidr: [${TO[2]!.address}] }] }`;
  return `version: 2\nnetwork:\n  mode: block\n  allow:${rules}\n`;
}

const A = policy(UIDS[0], TO[0]!.address);
const B = policy(UIDS[1], TO[1]!.address);
const BROKEN = [A.replace('block', 'blok'), B.slice(0, -20), '', 'network: [', `${A}  allow: []\n`, '\0\xff'];

let enforce: Running;

function write(text: string): void {
  writeFileSync(`${file}.next`, text, { mode: 0o600 });
  renameSync(`${file}.next`, file);
}

interface Holdings {
  maps: number;
  programs: number;
  descriptors: number;
  /** MiB. */
  anonymous: number;
}

function listed(kind: string): number {
  return (JSON.parse(succeeded(run('bpftool', '--json', kind, 'list')).stdout) as unknown[]).length;
}

/** What the daemon, and the kernel for it, hold at present. */
function holdings(): Holdings {
  const status = readFileSync(`/proc/${enforce.pid}/status`, 'utf8');
  return {
    maps: listed('map'),
    programs: listed('prog'),
    descriptors: readdirSync(`/proc/${enforce.pid}/fd`).length,
    anonymous: Number(/^RssAnon:\s+(\d+)/m.exec(status)![1]) / 1024,
  };
}

async function inForce(text: string): Promise<void> {
  const said = enforce.stderr.length;
  write(text);
  enforce.signal('SIGHUP');
  await enforce.until(/^Blocking by /m, said);
}

/** What came of the files that were read, behind the first `from` characters of what was said. */
function outcomes(from: number): { inForce: number; refused: number } {
  const said = enforce.stderr.slice(from);
  const count = (line: RegExp): number => said.match(line)?.length ?? 0;
  return {
    inForce: count(/^Blocking by /gm),
    refused: count(/^The policy that was in force stays\.$/gm),
  };
}

async function storm(): Promise<void> {
  const texts = [A, BROKEN[0]!, B, BROKEN[1]!, A, BROKEN[2]!, B, BROKEN[3]!, BROKEN[4]!, B, A, BROKEN[5]!];
  const said = enforce.stderr.length;
  const begun = performance.now();
  const over = (order: number): boolean => {
    const { inForce, refused } = outcomes(said);
    return order >= RATE * SECONDS && inForce + refused >= FILES;
  };
  for (let order = 0; order % RATE > 0 || !over(order); order += 1) {
    assert.ok(order < 10 * RATE * SECONDS, JSON.stringify(outcomes(said)));
    write(texts[order % texts.length]!);
    enforce.signal('SIGHUP');
    await sleep(Math.max(0, begun + ((order + 1) * 1000) / RATE - performance.now()));
  }
}

function assertNoMixture([first, second]: Tally[][]): void {
  assert.equal(first![1]!.allowed, 0, 'both policies deny the first user the second address');
  assert.equal(second![0]!.allowed, 0, 'both policies deny the second user the first address');
  for (const tally of [first!, second!]) assert.equal(tally[2]!.denied, 0, 'both policies allow the last');
  for (const { allowed, denied } of [first![0]!, second![1]!])
    assert.ok(allowed > 0 && denied > 0, `${allowed} allowed, ${denied} denied`);
}

before(async () => {
  startNetwork();
  write(A);
  process.env.NODE_OPTIONS = `--max-old-space-size=${HEAP}`;
  enforce = await Running.start('enforce', file, '--db', db, '--no-preflight');
  delete process.env.NODE_OPTIONS;
});
after(async () => {
  await enforce.end('SIGKILL');
  stopNetwork();
});

test('no verdict is a mixture, nothing leaks, and what is asked afterwards does not wait', async (context) => {
  // V8 has compiled what a reload takes then.
  for (let count = 0; count < 10; count += 1) await inForce(count % 2 === 0 ? B : A);
  const held = holdings();
  const said = enforce.stderr.length;
  const clients = UIDS.map((uid) => new Client({ destinations: TO, call: 'TCP', uid }));
  for (const { pid } of clients) setPriority(pid, NICE);
  let tallies: Tally[][];
  try {
    await storm();
    const asked = performance.now();
    assert.match(await askControl(db, { ask: 'rollback' }), /^Rolled back: /);
    const seconds = (performance.now() - asked) / 1000;
    context.diagnostic(`rollback took ${seconds} s`);
    assert.ok(seconds < 30, `rollback took ${seconds} s`);
  } finally {
    tallies = await Promise.all(clients.map((client) => client.finish()));
  }
  assertNoMixture(tallies);
  const { inForce: policies, refused } = outcomes(said);
  context.diagnostic(`${policies} policies in force, ${refused} files refused`);
  assert.ok(policies > 10 && refused > 10, `${policies} policies, ${refused} refused`);
  await inForce(`${B}# the last\n`);

  const deadline = performance.now() + 60_000;
  let now = holdings();
  while (now.maps + now.programs + now.descriptors > held.maps + held.programs + held.descriptors) {
    assert.ok(performance.now() < deadline, `${JSON.stringify(held)}, and then ${JSON.stringify(now)}`);
    await sleep(500);
    now = holdings();
  }
  assert.ok(now.anonymous < held.anonymous + GROWTH, `${held.anonymous} MiB, and then ${now.anonymous}`);
  context.diagnostic(`${JSON.stringify(held)}, and then ${JSON.stringify(now)}`);
  assert.equal((await enforce.end('SIGTERM')).status, 0);
  assert.deepEqual(programsLeft(), []);
});
