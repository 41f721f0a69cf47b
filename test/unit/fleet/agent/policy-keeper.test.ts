import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentMemory } from '../../../../fleet/agent/memory.ts';
import { type KeeperParts, PolicyKeeper } from '../../../../fleet/agent/policy-keeper.ts';
import { HeldPolicies } from '../../../../fleet/agent/policy/held.ts';
import { readIdentity } from '../../../../fleet/self/identity-file.ts';
import { parseAddress } from '../../../../policy/value/address.ts';
import { FakeEnforcer } from '../fixture/agent-host.ts';
import { SmallHub, until } from '../fixture/small-hub.ts';

const TEXT = 'version: 2\nnetwork:\n  mode: monitor\n  target: host\n  allow:\n    - {}\n';
/** Seconds. */
const TRIAL = 1;
/** The same manifest each time: stages of one release. */
const manifest = {
  issued: new Date().toISOString(),
  notAfter: new Date(Date.now() + 86_400_000).toISOString(),
};
const MONITOR = { manifest, placement: { mode: 'monitor' } } as const;
const BLOCK = { manifest, placement: { stage: 1 } };

interface Kept {
  hub: SmallHub;
  enforcer: FakeEnforcer;
  held: HeldPolicies;
  said: string[];
  make: () => PolicyKeeper;
  parts: KeeperParts;
}

/** A keeper without an agent around it: a test says when a hub is reached. */
async function kept(t: TestContext, change: Partial<KeeperParts> = {}): Promise<Kept> {
  const hub = await SmallHub.start(t);
  const directory = await hub.joined(t);
  const identity = readIdentity(directory)!;
  const [enforcer, held, said] = [new FakeEnforcer(), new HeldPolicies(directory), [] as string[]];
  const parts: KeeperParts = {
    held,
    memory: new AgentMemory(directory, identity.hostId),
    identity: () => identity,
    host: () => undefined,
    control: async (request) => await enforcer.handle(request),
    status: async () => await Promise.resolve({ ...enforcer.status }),
    self: () => ({ command: 'node', uid: 0, gid: 0, inContainer: false }),
    hubs: async () => await Promise.resolve([]),
    reach: async () => await Promise.resolve(),
    made: () => undefined,
    changed: () => undefined,
    say: (text) => void said.push(text),
    policyBytes: () => 1_000_000,
    now: Date.now,
    trial: TRIAL,
    ...change,
  };
  return { hub, enforcer, held, said, make: () => new PolicyKeeper(parts), parts };
}

const away = async (): Promise<void> => await Promise.reject(new Error('away'));
const none = (): void => undefined;
const modeIn = (keeper: PolicyKeeper): string | undefined => keeper.inForce?.mode;

test('a trial that ended before a hub was reached confirms nothing, though the text before is the same', async (t) => {
  const { enforcer, held, hub, make, parts } = await kept(t);
  const keeper = make();
  await keeper.take(hub.offer(TEXT, MONITOR), none);
  assert.deepEqual([keeper.inForce?.mode, keeper.inForce?.confirmed], ['monitor', true]);
  // The first hub does not answer, and the second one does, when the kernel has gone back already.
  parts.reach = async () => await sleep(TRIAL * 1000 + 300);
  await keeper.take(hub.offer(TEXT, BLOCK), none);
  assert.equal(enforcer.status.mode, 'monitor');
  const isBefore = (): void => {
    const { confirmed, fallback, mode } = keeper.inForce!;
    assert.deepEqual({ confirmed, fallback, mode }, { confirmed: true, fallback: true, mode: 'monitor' });
    assert.equal(held.lastGood()?.placement.mode, 'monitor');
  };
  isBefore();
  parts.reach = async () => await Promise.resolve();
  await keeper.tick();
  isBefore();
});

test('a hub that is never reached, and an agent that stood still, confirm nothing either', async (t) => {
  const { enforcer, held, hub, make, parts } = await kept(t);
  const keeper = make();
  await keeper.take(hub.offer(TEXT, MONITOR), none);
  parts.reach = async () => {
    await sleep(TRIAL * 1000 + 300);
    throw new Error('cut off');
  };
  await keeper.take(hub.offer(TEXT, BLOCK), none);
  assert.deepEqual([keeper.inForce?.mode, keeper.inForce?.fallback], ['monitor', true]);
  assert.deepEqual([held.lastGood()?.placement.mode, enforcer.status.mode], ['monitor', 'monitor']);
});

test('where only the mode differs, what is in force is not the last good policy', async (t) => {
  const { enforcer, hub, make } = await kept(t);
  const first = make();
  await first.take(hub.offer(TEXT, BLOCK), none);
  assert.deepEqual([first.inForce?.mode, first.inForce?.confirmed], ['block', true]);
  // As `bouheki rollback` does where there was no policy before: the same text, and nothing is blocked.
  Object.assign(enforcer.status, { mode: 'monitor', generation: enforcer.status.generation + 1 });
  await first.tick();
  assert.equal(modeIn(first), undefined);
  const next = make();
  await next.begin();
  assert.equal(modeIn(next), undefined);
  await next.take(hub.offer(TEXT, BLOCK), none);
  assert.deepEqual([modeIn(next), enforcer.status.mode], ['block', 'block']);
});

test('a policy that is made anew for another label is on trial, and is taken back where it cuts off', async (t) => {
  const made: boolean[] = [];
  let label = 'web';
  const { enforcer, hub, make, parts, said } = await kept(t, {
    host: () => ({ id: 'a', name: 'web-1', labels: { role: label } }),
    made: (holds) => void made.push(holds),
  });
  const keeper = make();
  await keeper.take(hub.offer(TEXT, BLOCK), none);
  enforcer.asked.length = 0;
  label = 'db';
  await keeper.tick();
  assert.deepEqual([enforcer.asked, made], [['apply', 'confirm'], [true]]);
  label = 'cache';
  // No hub now: nothing could confirm it.
  parts.reach = away;
  await keeper.tick();
  assert.deepEqual(enforcer.asked, ['apply', 'confirm']);
  let asked = 0;
  parts.reach = async () => ((asked += 1) === 1 ? await Promise.resolve() : await away());
  await keeper.tick();
  await keeper.tick();
  // The kernel may have gone back before the keeper asked for it.
  assert.deepEqual(
    enforcer.asked.filter((ask) => ask !== 'rollback'),
    ['apply', 'confirm', 'apply'],
  );
  assert.match(said.join(''), /cannot be made anew for this host, and stays as it was/);
  const { confirmed, fallback, mode } = keeper.inForce!;
  assert.deepEqual([made, confirmed, fallback, mode], [[true, false], true, false, 'block']);
});

test('a policy whose rules for a label deny the hub is not made anew', async (t) => {
  let label = 'web';
  const address = parseAddress('192.0.2.7')!;
  const { enforcer, hub, make, said } = await kept(t, {
    host: () => ({ id: 'a', name: 'web-1', labels: { role: label } }),
    hubs: async () =>
      await Promise.resolve([{ text: 'hub:1', name: undefined, addresses: [address], port: 1 }]),
  });
  const keeper = make();
  const deny = '  deny:\n    - from:\n        host: [role=db]\n';
  await keeper.take(hub.offer(TEXT + deny, BLOCK), none);
  enforcer.asked.length = 0;
  label = 'db';
  await keeper.tick();
  assert.deepEqual(enforcer.asked, []);
  assert.match(said.join(''), /could not reach the hub hub:1/);
});

test('a pause, a reload and an opened breaker leave the policy the one of the fleet', async (t) => {
  const { enforcer, hub, make } = await kept(t);
  const keeper = make();
  await keeper.take(hub.offer(TEXT, BLOCK), none);
  const { status } = enforcer;
  Object.assign(status, { mode: 'monitor', pauses: 'everybody', confirmBy: (Date.now() + 60_000) * 1000 });
  status.generation += 1;
  await keeper.tick();
  assert.equal(keeper.inForce?.mode, 'block');
  delete status.pauses;
  delete status.confirmBy;
  Object.assign(status, { mode: 'block', modes: [{ name: 'breaker: curl', mode: 'monitor' }] });
  status.generation += 2;
  await keeper.tick();
  assert.deepEqual([keeper.inForce?.mode, keeper.inForce?.confirmed], ['block', true]);
  const next = make();
  await next.begin();
  assert.equal(next.inForce?.mode, 'block');
});

test('a trial of an agent before is taken back, and what comes back is looked at', async (t) => {
  const { enforcer, held, hub, make, parts } = await kept(t);
  await make().take(hub.offer(TEXT, MONITOR), none);
  // Ended in the middle of a trial.
  parts.reach = async () => await new Promise(none);
  void make().take(hub.offer(TEXT, BLOCK), none);
  await until(() => enforcer.status.confirmBy !== undefined);
  const next = make();
  await next.begin();
  assert.deepEqual([enforcer.status.mode, next.inForce?.mode], ['monitor', 'monitor']);
  assert.deepEqual([next.inForce?.fallback, held.lastGood()?.placement.mode], [true, 'monitor']);
});
