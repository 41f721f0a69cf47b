/** Somebody removes or moves the files of a record that is being written. */
import assert from 'node:assert/strict';
import { existsSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openReader } from '../../../../profiler/read/read.ts';
import { StoreProcess } from '../../../../profiler/store/store-process.ts';
import { batchOf, databaseFor, LEARN } from '../fixture.ts';

async function recording(t: TestContext) {
  const path = databaseFor(t);
  const store = await StoreProcess.open(path);
  const noticed: string[] = [];
  store.noticed = (text) => noticed.push(text);
  const recorder = await store.startRecording(LEARN);
  recorder.append(batchOf([{}], recorder));
  recorder.flush();
  /** As a recorder does once a second, until something has happened. */
  const flushUntil = async (happened: () => boolean): Promise<void> => {
    while (!happened()) {
      recorder.flush();
      await sleep(5);
    }
  };
  return { path, store, noticed, recorder, flushUntil };
}

test('a socket that was removed, or replaced, is made again, for its owner alone, and said', async (t) => {
  const { path, store, noticed, recorder, flushUntil } = await recording(t);
  const sock = `${path}.sock`;
  for (const [index, change] of [
    () => rmSync(sock),
    () => {
      rmSync(sock);
      writeFileSync(sock, '');
    },
  ].entries()) {
    change();
    await flushUntil(() => noticed.length > index);
    assert.equal(noticed[index], `${sock}, where readers ask, had been removed; it was made again.`);
    assert.equal(statSync(sock).mode & 0o7777, 0o600);
    const reader = await openReader(path);
    assert.equal(reader.live?.recording, 1);
    reader.close();
  }
  await recorder.end('complete');
  await store.close();
  assert.ok(!existsSync(sock) && !existsSync(`${path}.lock`));
});

test('a lock that was removed is made again, so that a second recorder is refused as before', async (t) => {
  const { path, store, noticed, recorder, flushUntil } = await recording(t);
  rmSync(`${path}.lock`);
  await flushUntil(() => noticed.length > 0);
  assert.deepEqual(noticed, [`${path}.lock had been removed; it was made again.`]);
  await assert.rejects(StoreProcess.open(path), {
    code: 'store-busy',
    message: `${path} is being recorded by process ${process.pid}`,
  });
  await recorder.end('complete');
  await store.close();
});

for (const [how, change] of [
  ['removed', (path: string) => rmSync(path)],
  ['moved away', (path: string) => renameSync(path, `${path}.old`)],
  [
    'replaced',
    (path: string) => {
      writeFileSync(`${path}.new`, '');
      renameSync(`${path}.new`, path);
    },
  ],
] as const) {
  test(`a database that was ${how} ends the recording with an error, rather than being written in vain`, async (t) => {
    const { path, store, recorder, flushUntil } = await recording(t);
    change(path);
    const message = `${path} was removed, moved or replaced while it was written; recording stopped`;
    await assert.rejects(
      flushUntil(() => false),
      { code: 'store', message },
    );
    recorder.abandon();
    assert.equal(store.status().recording, undefined);
    await store.close();
    assert.ok(!existsSync(`${path}.lock`));
  });
}
