import assert from 'node:assert/strict';
import test from 'node:test';
import { changesOf } from '../../../../generator/drift/finding/change.ts';
import { compare } from '../../../../generator/drift/drift.ts';
import type { RecordedObservation } from '../../../../profiler/read/read.ts';
import { observed, policyOf, START } from '../fixture.ts';

const POLICY = policyOf(
  `version: 2
network:
  mode: monitor
  allow:
    - { name: web, from: { exe: [/usr/bin/curl] }, to: [{ cidr: [10.0.0.0/24] }] }
`,
);

const MINUTE = 60_000_000;
const at = (minute: number): number => START + minute * MINUTE;

/** Events at known addresses, one a minute, each address again and again. */
function usual(minutes: number, addresses = 5): RecordedObservation[] {
  return Array.from({ length: addresses }, (_, index) =>
    observed({
      address: 0x0a000001n + BigInt(index),
      count: Math.floor(minutes / addresses),
      first: at(index),
      last: at(minutes - addresses + index),
    }),
  );
}

/** One try of something that is not allowed, tried again `again` times within the next minute. */
function foreign(index: number, minute: number, again = 0): RecordedObservation {
  return observed({
    address: 0xcb007100n + BigInt(index),
    count: again + 1,
    first: at(minute),
    last: at(minute) + again * 1000,
  });
}

function changes(list: RecordedObservation[]) {
  const { allowed, cases } = compare(POLICY, list);
  return changesOf(cases, allowed);
}

test('a change is dated by the first of what came with it', () => {
  const list = [...usual(1000), ...Array.from({ length: 12 }, (_, index) => foreign(index, 600 + index))];
  const [change, ...others] = changes(list);
  assert.deepEqual(others, []);
  assert.equal(change?.subject, '/usr/bin/curl uid 1000');
  assert.equal(change.first, at(600));
  assert.equal(change.destinations, 12);
  assert.equal(change.usual, 0.01);
  assert(
    change.noticedAt > at(600) && change.noticedAt <= at(608),
    String((change.noticedAt - START) / MINUTE),
  );
});

test('now and then something new is no change, nor is one thing that is tried again and again', () => {
  const rare = Array.from({ length: 9 }, (_, index) => foreign(index, 110 + index * 100));
  assert.deepEqual(changes([...usual(1000), ...rare]), []);
  assert.deepEqual(changes([...usual(1000), foreign(1, 600, 5000), foreign(2, 700, 5000)]), []);
});

test('a subject that always goes to new places has to do so much more often', () => {
  // Every fifth event is at an address of its own, which the policy allows.
  const browser = Array.from({ length: 200 }, (_, index) =>
    observed({ address: 0x0a000010n + BigInt(index), first: at(index * 5), last: at(index * 5) }),
  );
  const often = Array.from({ length: 8 }, (_, index) => foreign(index, 600 + index * 5));
  assert.equal(changes([...usual(1000), ...often]).length, 1);
  assert.deepEqual(changes([...usual(1000), ...browser, ...often]), []);
});

test('without a past nothing has changed', () => {
  const all = Array.from({ length: 50 }, (_, index) => foreign(index, index));
  assert.deepEqual(changes(all), []);
  assert.deepEqual(changes([...usual(1000)]), []);
});

test('random failures at the usual rate raise an alarm as rarely as is promised', () => {
  let state = 12_345;
  const random = (): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
  let alarms = 0;
  for (let run = 0; run < 100; run++) {
    const list = usual(2000);
    for (let minute = 100; minute < 2000; minute++) if (random() < 0.01) list.push(foreign(minute, minute));
    alarms += changes(list).length;
  }
  assert.equal(alarms, 0);
});
