/** What goes over the streams of agents: offers, answers, farewells. With a real engine and real TLS. */
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { after, before, test } from 'node:test';
import type { Engine } from '../../../../fleet/engine/engine.ts';
import { readHubFiles, trustHashes, writeHubFile } from '../../../../fleet/hub/files.ts';
import { rotateAuthority } from '../../../../fleet/hub/making.ts';
import { pemOf } from '../../../../fleet/identity/identity.ts';
import { makeRequest, proveRenewal } from '../../../../fleet/identity/request.ts';
import { isShutOut, withHub } from '../../../../fleet/wire/client.ts';
import { type Manifest, manifestBytes, readPlacement } from '../../../../fleet/wire/manifest.ts';
import type { Identity, InForce, Offer } from '../../../../fleet/wire/message.ts';
import { signManifest } from '../../../../fleet/wire/signature.ts';
import { verifyOffer } from '../../../../fleet/wire/verify-offer.ts';
import {
  endHubWithEngine,
  joinAs,
  makeTestHub,
  startHubWithEngine,
  TestAgent,
  TestHub,
  tlsOf,
  until,
} from '../fixture/hub.ts';
import { manyHosts } from '../fixture/many-hosts.ts';
import { postgresMissing, type TestServer } from '../fixture/postgres.ts';

const options = { skip: postgresMissing };
const AUTHOR = generateKeyPairSync('ed25519');
const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');
const DAY = 86_400_000;
let server: TestServer;
let engine: Engine;
let hub: TestHub;

before(async () => {
  if (postgresMissing) return;
  const directory = await makeTestHub();
  const pem = AUTHOR.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  writeHubFile(directory, 'authors/a.pem', pem);
  ({ server, engine, hub } = await startHubWithEngine(directory));
});
after(async () => {
  if (postgresMissing) return;
  await endHubWithEngine({ server, engine, hub });
});

/** Publishes a text for a workload, to all hosts at once. */
async function publish(workload: string, revision: number, text: string, before?: string): Promise<void> {
  const body = Buffer.from(text);
  const manifest: Manifest = {
    format: 1,
    workload,
    revision,
    digest: sha256(body),
    previous: before === undefined ? null : sha256(before),
    previousMode: before === undefined ? null : 'monitor',
    plan: { stages: [{ name: 'all', hosts: 'all', soak: 0 }] },
    features: [],
    issued: new Date().toISOString(),
    notAfter: new Date(Date.now() + DAY).toISOString(),
    onStale: 'keep',
    mode: 'monitor',
  };
  const bytes = manifestBytes(manifest);
  const signatures = [signManifest(bytes, AUTHOR.privateKey)];
  await withHub([hub.address], await hub.operator(), (client) =>
    client.call('Admin/Publish', { manifest: bytes, signatures, body }),
  );
}

async function agentOf(name: string, workload: string) {
  await engine.setWorkload({ name: workload, select: { role: workload }, order: 1 });
  const joined = await joinAs(await hub.token({ role: workload }), name);
  return { ...joined, agent: new TestAgent(hub.address, joined.tls) };
}

/** What an agent holds that has taken an offer. */
function heldAfter({ placement }: Offer, confirmed = true): InForce {
  const { digest, mode, revision, workload } = readPlacement(placement)!;
  return {
    workload,
    revision,
    digest: Buffer.from(digest, 'hex'),
    mode,
    confirmed,
    fallback: false,
    stale: false,
  };
}

function verified(offer: Offer, identity: Identity) {
  return verifyOffer(offer, {
    authorKeys: identity.authorKeys,
    authorThreshold: identity.authorThreshold,
    hubKey: identity.hubKey,
    host: identity.hostId,
    workload: undefined,
    highest: undefined,
    features: [],
    policyBytes: identity.limits!.policyBytes,
    now: Date.now(),
    stored: () => undefined,
  });
}

async function placementOf(workload: string, host: string) {
  const [release] = await engine.releases(workload);
  return release && (await engine.placement(release.id, host));
}

test('a policy goes from its author to the agent, and the answer back into the engine', options, async () => {
  const { agent, identity } = await agentOf('a-1', 'a');
  agent.say();
  assert.equal((await agent.next('limits')).reportSeconds, 3600);
  await publishWhenOnline('a', identity.hostId);
  const offer = await agent.next('offer');
  assert.ok('manifest' in verified(offer, identity));
  assert.equal(offer.body.toString(), 'text of a');
  await until(async () => (await placementOf('a', identity.hostId))?.state === 'offered', 'offered');
  agent.inForce = heldAfter(offer, false);
  agent.say({ nonce: offer.nonce });
  await until(async () => (await placementOf('a', identity.hostId))?.state === 'applied', 'applied');
  agent.inForce = heldAfter(offer);
  agent.say();
  await until(async () => (await placementOf('a', identity.hostId))?.state === 'confirmed', 'confirmed');
  assert.equal(agent.all('offer').length, 1);
  await until(async () => (await engine.host(identity.hostId))?.revision === 1, 'sighting');
  agent.close();
});

/** A roll-out begins with hosts that are online. */
async function publishWhenOnline(workload: string, host: string): Promise<void> {
  await until(async () => (await engine.host(host))!.lastSeen > 0, 'sign of life');
  await publish(workload, 1, `text of ${workload}`);
}

test('what a host has refused is not offered again before a newer release', options, async () => {
  const { agent, identity, tls } = await agentOf('n-1', 'n');
  agent.say();
  await publishWhenOnline('n', identity.hostId);
  const offer = await agent.next('offer');
  const refusal = { code: 'policy' as const, message: 'no such rule\0', line: 3, column: 7 };
  agent.say({ nonce: offer.nonce, refusal });
  await until(async () => (await placementOf('n', identity.hostId))?.state === 'refused', 'refusal');
  assert.equal((await placementOf('n', identity.hostId))!.error, 'policy: 3:7: no such rule');
  agent.say();
  agent.close();
  const again = new TestAgent(hub.address, tls);
  again.say();
  await until(async () => (await engine.releases('n'))[0]!.state === 'rolling-back', 'roll back');
  again.say();
  await new Promise((resolve) => void setTimeout(resolve, 300));
  assert.deepEqual(again.all('offer'), []);
  await publish('n', 2, 'better');
  assert.equal((await again.next('offer')).body.toString(), 'better');
  again.close();
});

test('a nonce of an earlier stream answers nothing', options, async () => {
  const { agent, identity, tls } = await agentOf('s-1', 's');
  agent.say();
  await publishWhenOnline('s', identity.hostId);
  const { nonce } = await agent.next('offer');
  agent.close();
  const again = new TestAgent(hub.address, tls);
  again.say({ nonce: `${nonce}9`, refusal: { code: 'policy', message: '', line: 0, column: 0 } });
  const offer = await again.next('offer');
  assert.equal((await placementOf('s', identity.hostId))!.state, 'offered');
  again.inForce = heldAfter(offer);
  again.say({ nonce: offer.nonce });
  await until(async () => (await placementOf('s', identity.hostId))?.state === 'confirmed', 'confirmed');
  again.close();
});

test('an agent that fell back is told apart from one that refused', options, async () => {
  const { agent, identity } = await agentOf('f-1', 'f');
  agent.say();
  await publishWhenOnline('f', identity.hostId);
  const offer = await agent.next('offer');
  agent.inForce = heldAfter(offer, false);
  agent.say({ nonce: offer.nonce });
  await until(async () => (await placementOf('f', identity.hostId))?.state === 'applied', 'applied');
  agent.inForce = { ...heldAfter(offer), revision: 0, digest: Buffer.alloc(0), fallback: true };
  agent.say();
  await until(async () => (await placementOf('f', identity.hostId))?.state === 'fallback', 'fallback');
  agent.close();
});

test('an unsigned policy, one for no workload, and an old revision are not published', options, async () => {
  await engine.setWorkload({ name: 'p', select: { role: 'p' }, order: 1 });
  await publish('p', 2, 'two');
  await assert.rejects(publish('p', 2, 'other', 'two'), /no new one/);
  await assert.rejects(publish('nobody', 1, 'text'), /no workload nobody/);
  const body = Buffer.from('x');
  const operator = await hub.operator();
  await assert.rejects(
    withHub([hub.address], operator, (client) =>
      client.call('Admin/Publish', { manifest: Buffer.from('{}'), signatures: [], body }),
    ),
    /authors/,
  );
});

test('agents are sent away before a hub stops, and learn of another timeline', options, async () => {
  const second = await TestHub.start(engine, hub.directory);
  const { tls } = await joinAs(await hub.token(), 'g-1');
  const agent = new TestAgent(second.address, tls);
  agent.say();
  await agent.next('welcome');
  assert.equal(second.hub.status.streams, 1);
  await second.hub.stop();
  const { reason, reconnectAfter } = await agent.next('goodbye');
  assert.equal(reason, 'this hub stops');
  assert.ok(reconnectAfter <= 1000);
  assert.equal(await agent.ended(), undefined);
  agent.close();
});

test('an authority is replaced in steps, and no host has to join again', options, async () => {
  const { identity, key, tls } = await joinAs(await hub.token(), 'r-1');
  const agent = new TestAgent(hub.address, tls);
  agent.say();
  await agent.next('welcome');
  assert.equal(hub.hub.status.trusting, hub.hub.status.streams);
  await rotateAuthority(hub.directory, 'begin', Date.now());
  const { trustBundle } = await agent.next('trust');
  assert.equal(trustBundle.length, 2);
  assert.ok(hub.hub.status.trusting < hub.hub.status.streams);
  agent.trust = trustHashes(trustBundle);
  agent.say();
  await until(() => hub.hub.status.trusting === hub.hub.status.streams, 'trust');
  await assert.rejects(rotateAuthority(hub.directory, 'end', Date.now()), /not the turn/);
  await rotateAuthority(hub.directory, 'switch', Date.now());
  await agent.next('trust', 2);
  // The open stream goes on, the old certificate is still one, and a renewed one is by the next authority.
  agent.say();
  const trust = pemOf(trustBundle);
  const former = new TestAgent(hub.address, { ...tls, trust });
  await former.next('welcome');
  const csr = await makeRequest(key);
  const proof = { hostId: identity.hostId, csr, time: Date.now() };
  const signature = proveRenewal(key, proof.hostId, proof.time, csr);
  const renewed = await withHub([hub.enroll], { trust }, (client) =>
    client.call('Enrollment/Renew', { ...proof, signature }),
  );
  await rotateAuthority(hub.directory, 'end', Date.now());
  await agent.next('trust', 3);
  assert.equal(readHubFiles(hub.directory).trust.length, 1);
  const next = new TestAgent(hub.address, tlsOf(renewed, key));
  await next.next('welcome');
  const late = new TestAgent(hub.address, { ...tls, trust });
  assert.ok(!isShutOut(await late.ended()));
  for (const each of [agent, former, next, late]) each.close();
});

test('hundreds of agents connect at once, and get offers in waves', options, async () => {
  const hosts = await manyHosts(hub, 'h', 250);
  const agents = hosts.map(({ tls }) => new TestAgent(hub.address, tls));
  for (const agent of agents) agent.say();
  await Promise.all(agents.map((agent) => agent.next('welcome')));
  const offered = () => agents.filter((agent) => agent.all('offer').length > 0);
  await until(async () => (await engine.hosts('h')).every(({ lastSeen }) => lastSeen > 0), 'signs of life');
  await publish('h', 1, 'text for all');
  await until(() => offered().length === 100, 'first wave');
  for (const agent of agents) agent.say();
  await new Promise((resolve) => void setTimeout(resolve, 300));
  assert.equal(offered().length, 100);
  const answered = new Set<TestAgent>();
  await until(
    () => {
      for (const agent of offered().filter((each) => !answered.has(each))) {
        answered.add(agent);
        const [offer] = agent.all('offer');
        agent.inForce = heldAfter(offer!);
        agent.say({ nonce: offer!.nonce });
      }
      return answered.size === agents.length;
    },
    'all waves',
    120_000,
  );
  const [release] = await engine.releases('h');
  const isDone = async () =>
    (await engine.placements(release!.id)).every(({ state }) => state === 'confirmed');
  await until(isDone, 'confirmation of all', 120_000);
  for (const agent of agents) agent.close();
  await until(() => hub.hub.status.streams === 0, 'end of all streams');
  assert.equal(hub.hub.status.faults, 0);
});
