import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Isolation } from '../../../daemon/isolation.ts';
import type { ExcessDenials } from '../../../profiler/record/denial.ts';

const EXCESS: ExcessDenials = { uid: 1000, user: undefined, inContainer: false, blocked: true, count: 7 };

function throwing(error: Error): () => never {
  return () => {
    throw error;
  };
}

test('denials that are only counted reach the log like those with a record', () => {
  const heard: ExcessDenials[] = [];
  const { excess } = new Isolation({}, assert.fail).around({ excess: (each) => heard.push(each) });
  excess(EXCESS);
  assert.deepEqual(heard, [EXCESS]);
});

test('a failure of the recording abandons it once, and ends nothing beside it', () => {
  const events: unknown[] = [];
  const isolation = new Isolation(
    {
      onStoreFailure: (error) => events.push('recording', error),
      onTrouble: (error) => events.push('trouble', error),
    },
    () => events.push('abandoned'),
  );
  const [full, strange, broken] = [new Error('full'), new Error('strange'), new Error('broken')];
  isolation.recording(throwing(full));
  isolation.recording(throwing(strange));
  assert.equal(isolation.beside(throwing(broken)), undefined);
  assert.deepEqual(events, ['abandoned', 'recording', full, 'trouble', strange, 'trouble', broken]);
  assert.equal(isolation.failure?.error, full);
});

test('without a handler each failure is thrown', () => {
  const isolation = new Isolation({}, assert.fail);
  const fail = throwing(new Error('full'));
  assert.throws(() => isolation.recording(fail), /full/);
  assert.throws(() => isolation.beside(fail), /full/);
  assert.equal(isolation.failure, undefined);
});
