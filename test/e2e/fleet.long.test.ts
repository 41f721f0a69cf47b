/** Two hosts of a workload show different things, and the fleet knows who showed what. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, Fleet, PATIENCE, skip } from './fleet.ts';

/** Both go to the last one, and each to one of the others. */
const [one, two, both] = ['192.0.2.10', '192.0.2.20', '192.0.2.30'] as const;

let fleet: Fleet;

before(async () => {
  if (skip !== false) return;
  fleet = new Fleet();
  await fleet.start();
});
after(async () => {
  if (skip === false) await fleet.end();
});

test('two hosts learn different halves, and the policy of both says who showed what', { skip }, async () => {
  await fleet.begin('learn');
  for (const [name, address] of [
    ['web-1', one],
    ['web-2', two],
  ] as const) {
    assert.equal(connect(name, address), 'reached');
    assert.equal(connect(name, both), 'reached');
  }
  const deadline = performance.now() + PATIENCE;
  let policy = '';
  while (!(policy.includes(one) && policy.includes(two) && policy.includes(both))) {
    if (performance.now() > deadline) throw new Error(policy + fleet.story());
    await sleep(2000);
    const made = fleet.generate('--min-hosts', '1', '--min-hours', '0', '--evidence', 'full');
    policy = made.stdout + made.stderr;
  }
  await fleet.endHosts();
  assert.match(policy, /^ {4}# 2 of 2 hosts, \d+ events in at least 1 hour, /m);
  assert.match(policy, /^ {4}# hosts by destination: 192\.0\.2\.10:80\/tcp 1, 192\.0\.2\.20:80\/tcp 1$/m);
});
