/**
 * A flood of denials by one user, whatever it varies, hides none of another user, and every denial of it is counted;
 * also while the daemon reads nothing.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, suite, test } from 'node:test';
import type { Egress } from '../../bpf/egress.ts';
import { type Attachment, hostAttachment } from '../../bpf/probe.ts';
import { Counter, SHARE_FOLDS } from '../../bpf/wire.ts';
import { Client } from './client/client.ts';
import { flood, FLOODS } from './client/flood.ts';
import { block, compileRules } from './client/policy.ts';
import { takeAll } from './egress/event.ts';
import { loadEnforcing } from './enforcing.ts';

const ATTACKER = 1000;
const OTHERS = [0, 3000];
const EACH = 20;
const CGROUP = '/sys/fs/cgroup/flooded';
const ADDRESS = '203.0.113.1';
const OTHER_ADDRESS = '203.0.113.200';
const DENY_ALL = compileRules('  allow: []\n');
const RINGS = { connections: 1 << 18, denials: 1 << 19 };
/** A flood fills the ring of denials once over. */
const TIMES = 8000;
const PROCESSES = 300;

const BACKENDS: readonly Attachment[] = [hostAttachment().attachment, { backend: 'cgroup', cgroup: CGROUP }];

for (const attachment of BACKENDS) {
  suite(`${attachment.backend}: a flood of denials by one user`, () => {
    let egress: Egress;
    before(() => {
      mkdirSync(CGROUP, { recursive: true });
      egress = loadEnforcing(attachment, RINGS);
      block(egress, DENY_ALL);
    });
    after(() => egress[Symbol.dispose]());

    for (const [index, how] of FLOODS.entries()) {
      test(`of the kind ${how} hides no denial of root and of another user, and is counted in full`, async () => {
        const uid = ATTACKER + index;
        const times = how === 'forks' ? PROCESSES : TIMES;
        assert.equal(await flood({ times, how, uid, address: ADDRESS, cgroup: CGROUP }), times);
        const destinations = [{ address: OTHER_ADDRESS, port: 9 }];
        for (const other of OTHERS) {
          await new Client({
            destinations,
            rounds: EACH,
            call: 'SEND',
            uid: other,
            cgroup: CGROUP,
          }).tallies();
        }
        const { single: events, folds } = takeAll(egress);
        for (const other of OTHERS) assert.equal(events.filter((event) => event.uid === other).length, EACH);
        assert.deepEqual([...new Set(folds.map((fold) => fold.uid))], [uid]);
        const single = events.filter((event) => event.uid === uid).length;
        const folded = folds.reduce((sum, { count }) => sum + count, 0);
        assert.equal(single + folded, times, `${single} one by one, ${folded} folded`);
        assert.equal(egress.counters()[Counter.lostDenial], 0);
        assert.ok(folds.length <= SHARE_FOLDS + 2, `${folds.length} folds`);
        assert.deepEqual(takeAll(egress).folds, [], 'each is read once');
      });
    }
  });
}

test('equal denials of one process are one count, with the destination', async () => {
  using egress = loadEnforcing(undefined, RINGS);
  block(egress, DENY_ALL);
  await flood({ times: TIMES, how: 'plain', uid: ATTACKER, address: ADDRESS });
  const {
    single,
    folds: [fold, ...more],
  } = takeAll(egress);
  assert.deepEqual([fold!.uid, fold!.to, fold!.denied, more], [ATTACKER, ADDRESS, true, []]);
  assert.equal(fold!.count + single.length, TIMES);
});

test('a flood of allowed connections by one user hides no allowed connection of another, and is counted', async () => {
  using egress = loadEnforcing(undefined, RINGS);
  block(egress, compileRules('  allow: [{ to: [{ cidr: [198.51.100.0/24] }] }]\n'), true);
  const destinations = Array.from({ length: 4 }, (_, index) => ({ address: `198.51.100.${index}`, port: 9 }));
  // Equal datagrams would be counted.
  const work = { destinations, call: 'TCP' } as const;
  await new Client({ ...work, rounds: 1000, uid: ATTACKER }).tallies();
  for (const uid of OTHERS) await new Client({ ...work, rounds: EACH, uid }).tallies();
  const { single: events, folds } = takeAll(egress);
  for (const uid of OTHERS) assert.equal(events.filter((event) => event.uid === uid).length, 4 * EACH);
  const single = events.filter(({ uid }) => uid === ATTACKER).length;
  assert.ok(single < 4000, 'the ring was too small for it');
  assert.equal(single + folds.reduce((sum, { count }) => sum + count, 0), 4000);
  assert.equal(folds.length, 4);
  assert.equal(egress.counters()[Counter.lostConnection], 0);
});
