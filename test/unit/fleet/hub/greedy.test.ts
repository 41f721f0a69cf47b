/** What one host can take of a hub, and what a hub of an older version does with a newer release. Without an engine. */
import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { test } from 'node:test';
import type { HostRow, PlacementRow, ReleaseRow } from '../../../../fleet/engine/engine.ts';
import { LIMITS } from '../../../../fleet/agent/uplink.ts';
import { Desk } from '../../../../fleet/hub/desk.ts';
import { Leader } from '../../../../fleet/hub/leader.ts';
import { Offering } from '../../../../fleet/hub/offering.ts';
import { Session } from '../../../../fleet/hub/session.ts';
import { Watching } from '../../../../fleet/hub/watching.ts';
import { newSigningKey } from '../../../../fleet/identity/key.ts';
import { type Manifest, manifestBytes } from '../../../../fleet/wire/manifest.ts';
import type { AgentState, HubMessage } from '../../../../fleet/wire/message.ts';
import { HELLO } from '../fixture/agent-state.ts';
import type { AgentStream } from '../../../../fleet/wire/server.ts';

const KEY = createPrivateKey(newSigningKey());
const settled = async (): Promise<void> => await new Promise((resolve) => void setTimeout(resolve, 20));

function hostOf(id: string): HostRow {
  return { id, name: id, labels: {}, workload: 'web', state: 'active', serial: '', clone: false } as HostRow;
}

/** A stream that a test speaks on. */
class Stream implements AgentStream {
  readonly peer = { certificate: undefined, address: '' };
  readonly waiting = 0;
  readonly sent: Omit<HubMessage, 'clock'>[] = [];
  ended = false;
  say: (state: AgentState) => void = () => undefined;
  #onEnd: () => void = () => undefined;

  onState(take: (state: AgentState) => void): void {
    this.say = take;
  }
  onEnd(take: () => void): void {
    this.#onEnd = take;
  }
  send(message: HubMessage): void {
    this.sent.push(message);
  }
  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.#onEnd();
  }
  get offers(): number {
    return this.sent.filter(({ it }) => it === 'offer').length;
  }
}

function releaseOf(manifest: Buffer): ReleaseRow {
  return { id: 1, workload: 'web', revision: 1, state: 'done', manifest, signatures: [] } as never;
}

function manifest(): Manifest {
  return {
    format: 1,
    workload: 'web',
    revision: 1,
    digest: 'ab'.repeat(32),
    previous: 'cd'.repeat(32),
    previousMode: 'monitor',
    plan: null,
    features: [],
    issued: new Date(0).toISOString(),
    notAfter: new Date(Date.now() + 86_400_000).toISOString(),
    onStale: 'keep',
    mode: 'monitor',
  };
}

async function deskOf(hosts: readonly HostRow[], release: ReleaseRow, said: string[] = []): Promise<Desk> {
  const engine = {
    hosts: async () => hosts,
    releases: async () => [release],
    placements: async () => [],
    body: async () => Buffer.from('text'),
  };
  const desk = new Desk(engine as never, (text) => said.push(text));
  await desk.refresh([]);
  return desk;
}

function offeringOf(desk: Desk): Offering {
  const engine = { setPlacement: async () => undefined } as never;
  return new Offering({ desk, engine, hubKey: () => KEY, now: Date.now, onFault: assert.ifError });
}

test('a host has a few streams, of which a new one ends the oldest', async () => {
  const host = hostOf('greedy');
  const desk = await deskOf([host], releaseOf(manifestBytes(manifest())));
  const watching = new Watching({
    engine: { setClone: async () => undefined, audit: async () => undefined } as never,
    admission: { host: async () => ({ identity: { serial: '' }, row: host }) } as never,
    desk,
    offering: offeringOf(desk),
    files: () => ({ trust: [] }) as never,
    limits: LIMITS,
    now: Date.now,
    say: () => undefined,
  });
  const streams = Array.from({ length: 10 }, () => new Stream());
  for (const [at, stream] of streams.entries()) {
    watching.watch(stream);
    await settled();
    stream.say({ ...HELLO, instance: `${at}` });
  }
  assert.deepEqual(
    streams.map(({ ended }) => ended),
    streams.map((_, at) => at < 7),
  );
  assert.equal(watching.streams, 3);
});

test('streams of one host take one place of those that are offered a policy', async () => {
  const hosts = ['greedy', 'other'].map(hostOf);
  const desk = await deskOf(hosts, releaseOf(manifestBytes(manifest())));
  const offering = offeringOf(desk);
  const speak = (host: HostRow): Stream => {
    const stream = new Stream();
    const session = new Session(stream, { serial: '' } as never, host, Date.now());
    session.take(HELLO, Date.now());
    offering.heard(session);
    return stream;
  };
  for (let count = 0; count < 150; count++) speak(hosts[0]!);
  assert.equal(offering.open, 1);
  const other = speak(hosts[1]!);
  await settled();
  assert.equal(other.offers, 1);
});

test('lists that an agent sends are kept to what an agent has', () => {
  const session = new Session(new Stream(), { serial: '' } as never, hostOf('a'), 0);
  const many = Array.from({ length: 5000 }, (_, at) => `${at}`);
  session.take({ ...HELLO, features: many, trustBundleHashes: many }, 0);
  assert.ok(session.state!.features.length + session.state!.trustBundleHashes.length <= 100);
});

test('a release of a form that this hub does not know is nothing to offer, and is said once', async () => {
  const said: string[] = [];
  const release = { ...releaseOf(Buffer.from('{"format":2}')), state: 'running' } as ReleaseRow;
  const desk = await deskOf([hostOf('a')], release, said);
  await desk.refresh([]);
  assert.equal(desk.wanted('a', Date.now()), undefined);
  assert.equal(said.length, 1);
  assert.match(said[0]!, /Release 1 of web has a form that this hub does not know/);
  const asked: string[] = [];
  const engine = { releases: async () => [release], hosts: async () => asked.push('hosts') };
  await new Leader(() => undefined).lead(engine as never, Date.now());
  assert.deepEqual(asked, []);
});

test('what a host answers while the engine is asked, or has not been written, is not forgotten', async () => {
  const offered = {
    release: 1,
    host: 'one',
    stage: 0,
    side: 'new',
    mode: 'monitor',
    state: 'offered',
    error: '',
    since: 0,
  };
  const row = offered as PlacementRow;
  const waiting: (() => void)[] = [];
  const engine = {
    hosts: async () => [hostOf('one')],
    releases: async () => [releaseOf(manifestBytes(manifest()))],
    // As the engine has it when it is asked, however late it answers.
    placements: async () => await new Promise((resolve) => void waiting.push(() => resolve([row]))),
  };
  const desk = new Desk(engine as never, () => undefined);
  const refreshed = async (unwritten: PlacementRow[], meanwhile?: PlacementRow): Promise<string> => {
    const refreshing = desk.refresh(unwritten);
    await settled();
    if (meanwhile) desk.note(meanwhile);
    waiting.pop()!();
    await refreshing;
    return desk.wanted('one', Date.now())!.placement!.state;
  };
  assert.equal(await refreshed([]), 'offered');
  assert.equal(await refreshed([], { ...row, state: 'refused' }), 'refused');
  assert.equal(await refreshed([]), 'offered');
  assert.equal(await refreshed([{ ...row, state: 'refused' }]), 'refused');
});
