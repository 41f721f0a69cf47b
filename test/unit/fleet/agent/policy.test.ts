import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createPrivateKey } from 'node:crypto';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { BouhekiError } from '../../../../error/error.ts';
import { HeldPolicies } from '../../../../fleet/agent/policy/held.ts';
import { newSigningKey } from '../../../../fleet/identity/key.ts';
import { readHostFile } from '../../../../fleet/self/host-file.ts';
import { type AgentHost, agentHost } from '../fixture/agent-host.ts';
import { SmallHub, until } from '../fixture/small-hub.ts';

const policyFor = (cidr: string): string =>
  `version: 2\nnetwork:\n  mode: monitor\n  target: host\n  allow:\n    - to:\n        - cidr: ["${cidr}"]\n`;
const OPEN = policyFor('127.0.0.0/8');

async function joined(t: TestContext): Promise<{ hub: SmallHub; host: AgentHost; directory: string }> {
  const [hub, host] = [await SmallHub.start(t), await agentHost(t)];
  const directory = await hub.joined(t);
  host.start({ directory, trial: 3 });
  await until(() => hub.states.length > 0);
  return { hub, host, directory };
}

test('a policy is verified, stored, put in force, and confirmed by reaching a hub under it', async (t) => {
  const { directory, host, hub } = await joined(t);
  assert.equal(hub.states[0]!.inForce, null);
  const offer = hub.offer(OPEN);
  const answer = await hub.offered(offer);
  assert.deepEqual([answer.refusal, answer.inForce?.revision, answer.inForce?.mode], [null, 1, 'block']);
  await hub.state(({ inForce }) => inForce?.confirmed === true);
  assert.deepEqual(host.enforcer.asked, ['apply', 'confirm']);
  const good = new HeldPolicies(directory).lastGood()!;
  assert.deepEqual([good.body.toString(), good.manifest.revision], [OPEN, 1]);
  assert.ok(readFileSync(good.file).includes(offer.manifest.toString('base64')));
});

test('what a hub may not do is refused with its reason, and the last good policy stays', async (t) => {
  const { directory, host, hub } = await joined(t);
  await hub.offered(hub.offer(OPEN, { manifest: { revision: 5 } }));
  await hub.state(({ inForce }) => inForce?.confirmed === true);
  const before = [...host.enforcer.asked];
  const refused = async (code: string, offer: ReturnType<SmallHub['offer']>): Promise<void> => {
    const { inForce, refusal } = await hub.offered(offer);
    assert.deepEqual([refusal?.code, inForce?.revision], [code, 5], refusal?.message);
  };
  const next = { manifest: { revision: 6 } };
  await refused('signature', hub.offer(OPEN, { ...next, author: createPrivateKey(newSigningKey()) }));
  await refused('revision', hub.offer(policyFor('127.0.0.0/9'), { manifest: { revision: 4 } }));
  await refused('workload', hub.offer(OPEN, { manifest: { revision: 6, workload: 'db' } }));
  await refused('host', hub.offer(OPEN, { ...next, placement: { host: 'another' } }));
  await refused('signature', hub.offer(OPEN, { ...next, offer: { body: Buffer.from(OPEN.slice(0, -20)) } }));
  await refused('feature', hub.offer(OPEN, { manifest: { revision: 6, features: ['teleport'] } }));
  await refused(
    'expired',
    hub.offer(OPEN, { manifest: { revision: 6, notAfter: '2020-01-01T00:00:00.000Z' } }),
  );
  await refused('limits', hub.offer(OPEN + '#'.repeat(1_100_000), next));
  await refused('cut-off', hub.offer(policyFor('192.0.2.0/24'), next));
  const broken = await hub.offered(hub.offer('version: 2\nnetwork:\n  mode: sometimes\n', next));
  assert.deepEqual([broken.refusal?.code, broken.refusal?.line], ['policy', 3]);
  assert.deepEqual(host.enforcer.asked, before);
  host.enforcer.fault = new BouhekiError('policy', 'the kernel has no room for it');
  await refused('apply', hub.offer(policyFor('127.0.0.0/16'), next));
  assert.equal(new HeldPolicies(directory).lastGood()!.manifest.revision, 5);
  assert.equal(readdirSync(join(directory, 'held')).filter((name) => name.startsWith('5-')).length, 1);
});

test('a policy that only monitors may name no hub, and stays without one', async (t) => {
  const { hub } = await joined(t);
  await hub.offered(hub.offer(policyFor('192.0.2.0/24'), { placement: { mode: 'monitor' } }));
  const { inForce } = await hub.state((state) => state.inForce?.confirmed === true);
  assert.equal(inForce?.mode, 'monitor');
});

test('where no hub is reached under a policy, the one before comes back and says so', async (t) => {
  const { directory, host, hub } = await joined(t);
  await hub.offered(hub.offer(OPEN, { manifest: { revision: 1 } }));
  await hub.state(({ inForce }) => inForce?.confirmed === true);
  hub.refusals = Array.from({ length: 1000 }, () => new BouhekiError('fleet-away', 'cut off'));
  await hub.offered(hub.offer(policyFor('127.0.0.0/9'), { manifest: { revision: 2 } }));
  const { inForce } = await hub.state((state) => state.inForce?.fallback === true);
  assert.deepEqual([inForce?.revision, inForce?.confirmed], [1, true]);
  assert.equal(host.enforcer.status.confirmBy, undefined);
  assert.equal(new HeldPolicies(directory).lastGood()!.manifest.revision, 1);
  assert.match(host.said.join(''), /No hub was reached under revision 2/);
  // What was here once is not forgotten with the policy.
  const again = await hub.offered(hub.offer(OPEN, { manifest: { revision: 1 } }));
  assert.equal(again.refusal?.code, 'revision');
});

test('a policy that goes back to the one before needs no text of it', async (t) => {
  const { hub } = await joined(t);
  const first = hub.offer(OPEN);
  await hub.offered(first);
  await hub.state(({ inForce }) => inForce?.confirmed === true);
  const monitor = hub.offer(OPEN, {
    placement: { mode: 'monitor' },
    offer: { manifest: first.manifest, body: Buffer.alloc(0), manifestSignatures: first.manifestSignatures },
  });
  const { inForce, refusal } = await hub.offered(monitor);
  assert.deepEqual([refusal, inForce?.mode], [null, 'monitor']);
});

test('a broken memory of revisions takes no policy, rather than an old one', async (t) => {
  const { directory, hub } = await joined(t);
  writeFileSync(join(directory, 'highest'), '{"revision":"many"}');
  assert.equal((await hub.offered(hub.offer(OPEN))).refusal?.code, 'storage');
});

test('a label under which the hub could not be reached is not kept, not even in the file', async (t) => {
  const { directory, host, hub } = await joined(t);
  await until(() => readHostFile(directory)?.labels['role'] === 'web');
  await hub.offered(hub.offer(`${OPEN}  deny:\n    - from:\n        host: [role=db]\n`));
  await hub.state(({ inForce }) => inForce?.confirmed === true);
  const asked = [...host.enforcer.asked];
  const welcome = {
    hostId: hub.hostId,
    workload: 'web',
    timeline: 'one',
    name: 'web-1',
    labels: { role: 'db' },
  };
  hub.send({ it: 'welcome', welcome });
  await until(() => host.said.some((text) => text.includes('cannot be made anew for this host')));
  await until(() => readHostFile(directory)?.labels['role'] === 'web');
  const said = host.said.length;
  hub.send({ it: 'welcome', welcome });
  await hub.offered(hub.offer(OPEN, { manifest: { workload: 'db', revision: 2 } }));
  assert.deepEqual(
    [host.said.length, readHostFile(directory)?.labels, host.enforcer.asked],
    [said + 1, { role: 'web' }, asked],
  );
  // Another label is taken.
  hub.send({ it: 'welcome', welcome: { ...welcome, labels: { role: 'cache' } } });
  await until(() => host.enforcer.asked.length === asked.length + 2);
  assert.deepEqual(readHostFile(directory)?.labels, { role: 'cache' });
});

test('a stale policy may only monitor, where its manifest says so', async (t) => {
  const { hub } = await joined(t);
  const soon = new Date(Date.now() + 1500).toISOString();
  await hub.offered(hub.offer(OPEN, { manifest: { notAfter: soon, onStale: 'monitor' } }));
  await hub.state(({ inForce }) => inForce?.confirmed === true);
  await until(() => Date.now() > Date.parse(soon));
  const again = await hub.offered(
    hub.offer(policyFor('127.0.0.0/7'), { manifest: { revision: 2, features: ['x'] } }),
  );
  assert.deepEqual([again.inForce?.stale, again.inForce?.mode], [true, 'monitor']);
});
