import assert from 'node:assert/strict';
import test from 'node:test';
import { RowReader } from '../../../../profiler/import/row.ts';
import { ImportWriter } from '../../../../profiler/import/writer.ts';
import { openRecorder } from '../../../../profiler/store/store.ts';
import { databaseFor } from '../fixture.ts';

/** As large as an import of a day of a busy host. */
const ROWS = 1_000_000;

/** Seconds of processor time of the whole process. */
function processorTime(): number {
  const { system, user } = process.cpuUsage();
  return (system + user) / 1e6;
}

test('a large import into a record that has as much of that time neither runs out of memory nor takes long', async (t) => {
  const store = await openRecorder(databaseFor(t));
  t.after(() => store.close());
  const read = new RowReader(['ts', 'host', 'comm', 'uid', 'gid', 'addr', 'port', 'protocol']).read(
    '0,web1,curl,0,0,10.0.0.1,443,tcp'.split(','),
  );
  assert('time' in read);
  const add = async (late: number): Promise<ImportWriter> => {
    const writer = await ImportWriter.open(store.connection);
    for (let row = 0; row < ROWS; row += 1) {
      read.address = { family: 4, value: BigInt(0x0a000000 + (row % 100_000)) };
      read.pid = row % 1000;
      read.exe = `/usr/bin/app${read.pid}`;
      read.time = row * 1000 + late;
      writer.add(read);
    }
    return writer;
  };
  const first = await add(0);
  assert.equal(await first.flush(), 0);
  await first.commit();
  const began = processorTime();
  const second = await add(1);
  const written = processorTime();
  assert.equal(await second.flush(), 0);
  const compared = processorTime() - written;
  // The smaller part, although rows need not be read here.
  assert(compared < written - began, `${compared} s after ${written - began} s`);
  await second.abandon();
});
