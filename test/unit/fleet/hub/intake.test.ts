/** What a hub does with more evidence than the engine stores at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BouhekiError } from '../../../../error/error.ts';
import type { Engine } from '../../../../fleet/engine/engine.ts';
import { Intake } from '../../../../fleet/hub/intake.ts';
import { Busy } from '../../../../fleet/wire/server.ts';
import { batchOf, rowOf } from '../fixture/evidence.ts';

const LIMITS = { batchRows: 2000, batchBytes: 1e6, policyBytes: 1e6, reportSeconds: 3600 };
type Merge = Engine['merge'];

/** An engine that merges when it is told to. */
function slowEngine(fails: (hosts: string[]) => Error | undefined = () => undefined) {
  const calls: string[][] = [];
  const waiting: (() => void)[] = [];
  const merge: Merge = async (batches) => {
    calls.push(batches.map(({ host }) => host));
    await new Promise<void>((resolve) => void waiting.push(resolve));
    const error = fails(batches.map(({ host }) => host));
    if (error) throw error;
    return batches.map(({ batch }) => ({ rows: batch.rows.length, refused: [], pace: null }));
  };
  const goOn = async (): Promise<void> => {
    for (let turns = 0; turns < 50; turns++) {
      for (const resolve of waiting.splice(0)) resolve();
      await new Promise((resolve) => void setImmediate(resolve));
    }
  };
  return { calls, goOn, intake: new Intake({ merge }, LIMITS, Date.now) };
}

const rows = (count: number) => batchOf(Array.from({ length: count }, () => rowOf()));

test('batches of many hosts that wait become few merges, and each host gets its own receipt', async () => {
  const { calls, goOn, intake } = slowEngine();
  const receipts = Array.from({ length: 100 }, (_, at) => intake.take(`h${at}`, rows(at % 3)));
  await goOn();
  assert.deepEqual(
    (await Promise.all(receipts)).map((each) => each.rows),
    Array.from({ length: 100 }, (_, at) => at % 3),
  );
  assert.ok(calls.length <= 4, `${calls.length} merges`);
  assert.equal(intake.counts.waitingRows, 0);
});

test('memory is bounded: beyond it hosts are told to wait, and before it to report less often', async () => {
  const { goOn, intake } = slowEngine();
  const taken = Array.from({ length: 10 }, (_, at) => intake.take(`h${at}`, rows(2000)));
  assert.equal(intake.counts.waitingRows, 20_000);
  await assert.rejects(intake.take('late', rows(1)), (error: unknown) => {
    return error instanceof Busy && error.wait >= 1000;
  });
  assert.equal(intake.pace!.reportSeconds, 4 * 3600);
  await goOn();
  await Promise.all(taken);
  assert.equal(intake.pace, null);
  const later = intake.take('late', rows(1));
  await goOn();
  assert.equal((await later).rows, 1);
});

test('a host that floods leaves room for others', async () => {
  const { goOn, intake } = slowEngine();
  const taken = Array.from({ length: 4 }, () => intake.take('flood', rows(1)));
  await assert.rejects(intake.take('flood', rows(1)), Busy);
  taken.push(intake.take('other', rows(1)));
  await goOn();
  assert.equal((await Promise.all(taken)).length, 5);
});

test('what fails because of one host fails no other; what fails because the engine is away fails all', async () => {
  const bad = slowEngine((hosts) => (hosts.includes('bad') ? new Error('no statement') : undefined));
  const some = ['a', 'bad', 'b'].map((host) => bad.intake.take(host, rows(1)));
  const settled = Promise.allSettled(some);
  await bad.goOn();
  assert.deepEqual(
    (await settled).map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  const away = slowEngine(() => new BouhekiError('fleet-away', 'the engine is away'));
  const all = Promise.allSettled(['a', 'b'].map((host) => away.intake.take(host, rows(1))));
  await away.goOn();
  assert.ok((await all).every(({ status }) => status === 'rejected'));
  assert.deepEqual([bad.intake.counts.waitingRows, away.intake.counts.waitingRows], [0, 0]);
});
