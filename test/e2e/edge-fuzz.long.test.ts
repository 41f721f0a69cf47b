/** Whatever comes in from outside, verdicts stand and the daemon stays: a short run of `npm run fuzz:edges`. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fuzzEdges } from '../bench/edge-fuzz/fuzz.ts';
import { run, stopNetwork, succeeded } from './guest.ts';

const SECONDS = 25;
const SEED = 1;

before(() => {
  succeeded(run('test/vm/network', 'start', '--tcp', '80', '--udp-sink', '80'));
});
after(stopNetwork);

test('no bad input at any edge of the daemon changes a verdict or ends enforcement', async (context) => {
  const { alive, cases, checks, faults, memory, wrong } = await fuzzEdges(SECONDS, SEED);
  context.diagnostic(`${JSON.stringify(cases)} cases, ${checks} verdicts, ${memory.join(' to ')} MiB`);
  assert.deepEqual(wrong, []);
  assert.deepEqual(faults, []);
  assert.ok(alive && checks > 0);
});
