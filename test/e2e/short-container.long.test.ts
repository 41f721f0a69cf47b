/** A container that makes one connection and is gone is known by its name all the same. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { PROGRAM } from '../kernel/client/client.ts';
import { query, Running } from './bouheki.ts';
import { folder, IMAGE, makeImage, startNetwork, stopNetwork, succeeded } from './guest.ts';

/** Containers one after the other, and afterwards so many pairs at once. */
const ALONE = 6;
const PAIRS = 2;
const TRACING = '/sys/kernel/tracing';

before(() => {
  startNetwork();
  makeImage();
});

after(stopNetwork);

const addressOf = (number: number): string => `10.0.5.${number}`;

/** Runs a container that connects once and ends, and is removed by podman. */
async function runShort(number: number): Promise<void> {
  const name = `short-${number}`;
  const options = ['run', '--rm', '--network', 'host', '--name', name, '--volume', `${PROGRAM}:/short:ro`];
  const connect = ['/short', 'TCP', '1', 'plain', '0', '-', addressOf(number), '80'];
  const podman = spawn('podman', [...options, IMAGE, ...connect], { stdio: 'ignore' });
  assert.deepEqual(await once(podman, 'close'), [0, null], name);
}

/** Has the kernel note, by its own clock, when the program of a container is executed and when it ends. */
function trace(): void {
  for (const [event, filter] of [
    ['exec', 'filename == "/short"'],
    ['exit', 'comm == "short"'],
  ] as const) {
    const folderOf = join(TRACING, `events/sched/sched_process_${event}`);
    writeFileSync(join(folderOf, 'filter'), filter);
    writeFileSync(join(folderOf, 'enable'), '1');
  }
}

/** How long each program has lived, milliseconds, shortest first. */
function lifeSpans(): number[] {
  const started = new Map<string, number>();
  const spans: number[] = [];
  for (const line of readFileSync(join(TRACING, 'trace'), 'utf8').split('\n')) {
    const found = / (\d+\.\d+): sched_process_(exec|exit): .*?\bpid=(\d+)/.exec(line);
    if (!found) continue;
    const [, time, event, pid] = found;
    if (event === 'exec') started.set(pid!, Number(time));
    else spans.push((Number(time) - started.get(pid!)!) * 1000);
  }
  return spans.sort((a, b) => a - b);
}

test('ten containers that connect once and end at once are named', async (t) => {
  const db = join(folder(), 'record.duckdb');
  const learn = await Running.start('learn', '--db', db);
  trace();
  for (let number = 1; number <= ALONE; number += 1) await runShort(number);
  const total = ALONE + 2 * PAIRS;
  for (let number = ALONE + 1; number <= total; number += 2) {
    await Promise.all([runShort(number), runShort(number + 1)]);
  }
  const { stderr } = succeeded(await learn.end('SIGINT'));
  assert.doesNotMatch(stderr, /without a name/);
  const rows = await query(
    db,
    `SELECT address, container, in_container FROM connections WHERE address LIKE '10.0.5.%'
    ORDER BY split_part(address, '.', 4)::INTEGER`,
  );
  const numbers = Array.from({ length: total }, (_, index) => index + 1);
  assert.deepEqual(
    rows,
    numbers.map((number) => ({
      address: addressOf(number),
      container: `short-${number}`,
      in_container: true,
    })),
  );
  const spans = lifeSpans();
  assert.equal(spans.length, total);
  const shown = [spans[0]!, spans[total >> 1]!, spans.at(-1)!].map((span) => span.toFixed(1));
  const short = spans.filter((span) => span < 50).length;
  t.diagnostic(
    `from exec to exit: ${shown.join(', ')} ms (least, median, most), ${short} of ${total} below 50 ms`,
  );
});
