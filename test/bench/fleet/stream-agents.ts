/**
 * Many agents in one process: `node stream-agents.js FILE`, as test/bench/fleet-streams.ts starts it. FILE is what
 * `StreamAgents` says, as JSON. Each agent has the stream and the keeper of policies of a real one, and an enforcer without
 * a kernel; it has no record. Writes how many have their stream, a line whenever that has changed. SIGTERM ends it.
 */
import { setMaxListeners } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HubLink } from '../../../fleet/agent/hub-link.ts';
import { AgentMemory } from '../../../fleet/agent/memory.ts';
import { FEATURES, PolicyKeeper } from '../../../fleet/agent/policy-keeper.ts';
import { refusalOf } from '../../../fleet/agent/policy/examine.ts';
import { HeldPolicies } from '../../../fleet/agent/policy/held.ts';
import { Watch } from '../../../fleet/agent/watch.ts';
import type { AgentIdentity } from '../../../fleet/self/identity-file.ts';
import { ENFORCE } from '../../../fleet/wire/feature.ts';
import type { HubMessage, Refusal } from '../../../fleet/wire/message.ts';
import { NO_COUNTERS } from '../../unit/fleet/fixture/agent-state.ts';
import { FakeEnforcer } from '../../unit/fleet/fixture/agent-host.ts';

/** What one such process is given. */
export interface StreamAgents {
  /** Where each agent has a directory of its own. */
  directory: string;
  /** Over which their first connections are spread, milliseconds. */
  spread: number;
  hub: string[];
  trust: string;
  /** SPKI DER, base64. */
  authorKeys: string[];
  hubKey: string;
  hosts: { id: string; certificate: string; key: string }[];
}

/** Between two looks at how many have their stream, milliseconds. */
const LOOK = 200;
const MOST_BYTES = 1_048_576;

const given = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as StreamAgents;
const stop = new AbortController();
// All agents listen to it.
setMaxListeners(0, stop.signal);
process.once('SIGTERM', () => stop.abort());

/** An agent of one host. */
function agentOf({ certificate, id, key }: StreamAgents['hosts'][number], at: number): Watch {
  const { hub, trust } = given;
  const authorKeys = given.authorKeys.map((each) => Buffer.from(each, 'base64'));
  const hubKey = Buffer.from(given.hubKey, 'base64');
  const keys = { authorKeys, authorThreshold: 1, hubKey };
  const identity: AgentIdentity = { hostId: id, enroll: [], hub, ...keys, key, certificate, trust };
  const directory = join(given.directory, id);
  mkdirSync(directory);
  const link = new HubLink(identity, at);
  const enforcer = new FakeEnforcer();
  const keeper = new PolicyKeeper({
    held: new HeldPolicies(directory),
    memory: new AgentMemory(directory, id),
    identity: () => identity,
    host: () => undefined,
    control: async (request) => await enforcer.handle(request),
    status: async () => await Promise.resolve({ ...enforcer.status }),
    self: () => ({ command: 'node', uid: 0, gid: 0, inContainer: false }),
    hubs: async () => await link.places(),
    reach: async () => await link.reach(),
    made: () => undefined,
    changed: () => void watch.report(),
    say: (text) => void process.stderr.write(text),
    policyBytes: () => MOST_BYTES,
    now: Date.now,
  });
  const watch = new Watch({
    hub: () => link.hub,
    failed: (failed) => link.fail(failed),
    state: async () =>
      await Promise.resolve({
        agentVersion: '1',
        features: [...FEATURES, ENFORCE],
        inForce: keeper.inForce,
        counters: NO_COUNTERS,
        trustBundleHashes: [],
      }),
    take: (message, answer) => void take(keeper, message, answer),
    shutOut: async () => await Promise.resolve(),
    say: (text) => void process.stderr.write(text),
    signal: stop.signal,
  });
  return watch;
}

async function take(
  keeper: PolicyKeeper,
  { offer }: HubMessage,
  answer: (refusal: Refusal | null) => void,
): Promise<void> {
  if (!offer) return;
  try {
    await keeper.take(offer, () => answer(null));
  } catch (error) {
    const { refusal } = refusalOf('apply', error);
    process.stderr.write(`${refusal.code}: ${refusal.message}\n`);
    answer(refusal);
  }
}

const agents: Watch[] = [];
const running: Promise<void>[] = [];
let said = -1;
const looking = setInterval(() => {
  const connected = agents.filter((each) => each.connected).length;
  if (connected !== said) process.stdout.write(`${connected}\n`);
  said = connected;
}, LOOK);
for (const [at, host] of given.hosts.entries()) {
  if (stop.signal.aborted) break;
  const agent = agentOf(host, at);
  agents.push(agent);
  running.push(agent.run());
  await sleep(given.spread / given.hosts.length, undefined, { signal: stop.signal }).catch(() => undefined);
}
await Promise.all(running);
clearInterval(looking);
// What was spoken to last may wait for its own end.
process.exit(0);
