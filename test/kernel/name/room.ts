import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MAX_KNOWN, MAX_NAME_CLASSES, NameCounter } from '../../../bpf/wire.ts';
import { addressOf, allow, bed, clock, counted, reach, visit, WITHIN } from './bed.ts';

function side(): number {
  return Number(bed.egress.generation & 1n);
}

/** Forgets what is over in a few days. */
function sweepLater(): void {
  clock.ahead = 4 * 86_400;
  bed.verdicts.sweep();
  clock.ahead = 0;
}

describe('where there is no room', () => {
  test('for one more address it is denied, and counted', async () => {
    allow(`{ name: ["*.full.test"], ${WITHIN} }`);
    const known = bed.names.numbers('known', 2);
    known[side()] = MAX_KNOWN / 2;
    const before = counted(NameCounter.knownFull);
    assert.equal(await visit('one.full.test'), '1 denied');
    assert.equal(counted(NameCounter.knownFull), before + 1);
    known[side()] = 0;
    assert.equal(await visit('one.full.test'), 'done');
  });

  test('for more of one pattern, others find some', async () => {
    allow(`{ name: ["*.greedy.test"], ${WITHIN} }, { name: ["*.modest.test"], ${WITHIN}, port: [80] }`);
    await visit('probe.greedy.test');
    const found = bed.names.numbers('known_of_class', 2 * MAX_NAME_CLASSES);
    const own = found.subarray(side() * MAX_NAME_CLASSES, (side() + 1) * MAX_NAME_CLASSES);
    own[own.findIndex((count) => count > 0)] = MAX_KNOWN / 8;
    const before = counted(NameCounter.patternFull);
    assert.equal(await visit('more.greedy.test'), '1 denied');
    assert.equal(counted(NameCounter.patternFull), before + 1);
    assert.equal(await visit('one.modest.test'), 'done');
  });

  test('for a fifth rule at one address, the first four hold', async () => {
    const to = [1, 2, 3, 4, 5].map((port) => `{ name: ["*.p${port}.test"], ${WITHIN}, port: [${port}] }`);
    allow(to.join(', '));
    const before = counted(NameCounter.addressFull);
    for (const port of [1, 2, 3, 4, 5])
      await bed.client.does('ask', [`at-10-5-5-5.p${port}.test`, '127.0.0.1']);
    assert.equal(counted(NameCounter.addressFull), before + 1);
    const reached = [];
    for (const port of [1, 2, 3, 4, 5]) reached.push(await reach('10.5.5.5', port));
    assert.deepEqual(reached, ['done', 'done', 'done', 'done', 'denied']);
  });

  test('what is over makes some', async () => {
    allow(`{ name: ["*.old.test"], ${WITHIN}, keep: 0s }`);
    await visit('ttl0.old.test');
    assert.equal(bed.verdicts.status.known, 1);
    bed.verdicts.sweep();
    assert.equal(bed.verdicts.status.known, 1, 'connections that are there still need it');
    sweepLater();
    assert.equal(bed.verdicts.status.known, 0);
  });

  test('what is over makes some also where another rule keeps its names forever', async () => {
    const forever = `{ name: ["*.kept.test"], ${WITHIN}, keep: forever }`;
    allow(`{ name: ["*.old.test"], ${WITHIN}, keep: 0s }, ${forever}`);
    await visit('one.old.test');
    await visit('one.kept.test');
    sweepLater();
    assert.equal(bed.verdicts.status.known, 1);
    assert.equal(await reach(addressOf('one.kept.test')), 'done');
  });
});
