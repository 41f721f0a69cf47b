import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import type { Outcome } from '../fixture.ts';
import { driftOn, POLICY } from './fixture.ts';

const COMMENTED = POLICY.replace('    - name: web', '    # What people fetch.\n    - name: web');

async function world(t: TestContext, text = COMMENTED): Promise<(...args: string[]) => Outcome> {
  return driftOn(t, [{}, { port: 22 }, { low: 0x0a000901n, verdict: 1 }], text);
}

test('--suggest prints the policy with what is accepted, by id or kind, and that settles it', async (t) => {
  const drift = await world(t);
  const { status, stderr, stdout } = drift('--suggest', '--accept', 'new');
  assert.deepEqual([status, stderr], [0, 'Settled: 1 finding of 1 accepted, 2 in all.\n']);
  assert.match(stdout, /^ {4}# What people fetch\.$/m);
  assert.match(stdout, /cidr: \[10\.0\.0\.1\/32\], port: \[22\], protocol: \[tcp\]/);
  assert.doesNotMatch(stdout, /10\.0\.9\.1/);
  const { findings } = JSON.parse(drift('--json').stdout) as { findings: { id: string; kind: string }[] };
  const denied = findings.find(({ kind }) => kind === 'denied')!.id;
  const byId = drift('--suggest', '--accept', denied);
  assert.match(byId.stdout, /10\.0\.9\.1\/32/);
  assert.doesNotMatch(byId.stdout, /\[22\]/);
  const next = await world(t, drift('--suggest', '--accept', 'all').stdout);
  assert.match(next().stderr, /^Drift: 0 new, 0 denied, 1 disagreed, in 3 events\.$/m);
});

test('nothing is suggested that nobody has accepted, nor for a policy without rules', async (t) => {
  const drift = await world(t);
  assert.match(drift('--suggest').stderr, /^usage: nothing is accepted that could be settled$/m);
  const unknown = drift('--suggest', '--accept', 'new,0123456789ab');
  assert.deepEqual([unknown.status, unknown.stdout], [2, '']);
  assert.match(unknown.stderr, /^usage: no finding is accepted by 0123456789ab$/m);
  const flat = await world(t, 'version: 2\nnetwork:\n  mode: block\n  cidr: { allow: [10.0.0.1/32] }\n');
  assert.match(flat('--suggest', '--accept', 'all').stderr, /^usage: the policy has no rules /m);
});
