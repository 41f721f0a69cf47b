import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { after, test } from 'node:test';
import type { Engine, ReleaseRow } from '../../../../fleet/engine/engine.ts';
import { openEngine } from '../../../../fleet/engine/open.ts';
import { Leader } from '../../../../fleet/hub/leader.ts';
import { admit } from '../../../../fleet/release/admit.ts';
import { commandChange } from '../../../../fleet/release/command.ts';
import { readPlan } from '../../../../fleet/release/plan.ts';
import { wanted } from '../../../../fleet/release/wanted.ts';
import { type Manifest, manifestBytes } from '../../../../fleet/wire/manifest.ts';
import { publicKeyBytes, signManifest } from '../../../../fleet/wire/signature.ts';
import { postgresMissing, startPostgres, type TestServer } from '../fixture/postgres.ts';

const MINUTE = 60_000;
const AUTHOR = generateKeyPairSync('ed25519').privateKey;
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

let server: TestServer | undefined;
after(() => server?.remove());

/** Hosts of a workload of its own, their engine, and what a hub would write of them. */
class Fleet {
  now = Date.now();
  readonly engine: Engine;
  readonly workload: string;
  ids: string[] = [];

  constructor(engine: Engine, workload: string) {
    this.engine = engine;
    this.workload = workload;
  }

  static async of(workload: string, hosts: number): Promise<Fleet> {
    server ??= await startPostgres();
    const fleet = new Fleet(await openEngine([server.url]), workload);
    after(() => fleet.engine.close());
    const { engine, now } = fleet;
    await engine.setWorkload({ name: workload, select: { role: workload }, order: 1 });
    const hash = sha256(workload);
    await engine.addToken({ hash, labels: { role: workload }, uses: hosts, expires: now + 1e9 });
    for (let at = 0; at < hosts; at++) {
      const name = `${workload}-${at}`;
      const row = await engine.enrol(
        hash,
        {
          name,
          machineId: name,
          keyHash: sha256(name),
          publicKey: Buffer.from(name),
          agentVersion: '1',
        },
        now,
      );
      fleet.ids.push(row!.id);
      await engine.used(row!.id);
    }
    await fleet.breathe(fleet.ids);
    return fleet;
  }

  async breathe(ids: readonly string[]): Promise<void> {
    const zero = { skew: 0, revision: 0, lost: 0, unsentRows: 0, newDeniedKeys: 0, breakerTrips: 0 };
    const rest = { agentVersion: '1', features: ['enforce'], mode: 'monitor', stale: false, fallback: false };
    const digest = Buffer.alloc(0);
    await this.engine.sighted(ids.map((host) => ({ host, seen: this.now, digest, ...zero, ...rest })));
  }

  async publish(text: string, revision: number, change: Partial<Manifest> = {}): Promise<ReleaseRow> {
    const stages = [
      { hosts: '1%', mode: 'monitor', soak: '10m' },
      { hosts: 'all', soak: '10m' },
    ];
    const manifest = manifestBytes({
      format: 1,
      workload: this.workload,
      revision,
      digest: sha256(text),
      previous: null,
      previousMode: null,
      plan: readPlan({ stages }, 'block').plan,
      features: [],
      issued: new Date(this.now).toISOString(),
      notAfter: new Date(this.now + 1e10).toISOString(),
      onStale: 'keep',
      mode: 'block',
      ...change,
    });
    const admitted = admit(
      { manifest, signatures: [signManifest(manifest, AUTHOR)], body: Buffer.from(text) },
      {
        authorKeys: [publicKeyBytes(AUTHOR)],
        authorThreshold: 1,
        newest: await this.release(),
        policyBytes: 1e6,
        now: this.now,
      },
    );
    assert.ok(!('fault' in admitted), JSON.stringify(admitted));
    return (await this.engine.publish(admitted, Buffer.from(text), this.now))!;
  }

  async release(): Promise<ReleaseRow | undefined> {
    return (await this.engine.releases(this.workload))[0];
  }

  /** All hosts answer, and confirm what they are to hold. */
  async confirm(state: 'confirmed' | 'refused' = 'confirmed'): Promise<void> {
    await this.breathe(this.ids);
    const release = (await this.release())!;
    for (const placement of await this.engine.placements(release.id)) {
      if (placement.stage < 0 || !wanted(release, placement)) continue;
      const error = state === 'refused' ? 'policy: 3:1: no' : '';
      await this.engine.setPlacement({ ...placement, state, error, since: this.now });
    }
  }

  /** So many minutes, in which hosts answer and a leader looks. */
  async pass(leader: Leader, minutes: number): Promise<void> {
    for (let minute = 0; minute < minutes; minute++) {
      this.now += MINUTE;
      await this.confirm();
      await leader.lead(this.engine, this.now);
    }
  }
}

test('a leader takes a release to its end at a real engine', { skip: postgresMissing }, async () => {
  const fleet = await Fleet.of('web', 3);
  const said: string[] = [];
  const leader = new Leader((text) => said.push(text));
  await fleet.publish('one', 1);
  await leader.lead(fleet.engine, fleet.now);
  const placements = await fleet.engine.placements((await fleet.release())!.id);
  assert.equal(placements.filter(({ stage }) => stage === 0).length, 1);
  await fleet.pass(leader, 11);
  assert.equal((await fleet.release())!.stage, 1);
  await fleet.pass(leader, 11);
  assert.equal((await fleet.release())!.state, 'done');
  assert.deepEqual(said, ['Release 1 of web is in stage 2\n', 'Release 1 of web is done\n']);
});

test(
  'a host that refuses has all go back, and the next release begins',
  { skip: postgresMissing },
  async () => {
    const fleet = await Fleet.of('db', 3);
    const leader = new Leader(() => undefined);
    await fleet.publish('one', 1);
    await fleet.pass(leader, 24);
    const before = { previous: sha256('one'), previousMode: 'block' as const };
    await fleet.publish('two', 2, before);
    await leader.lead(fleet.engine, fleet.now);
    await fleet.confirm('refused');
    await leader.lead(fleet.engine, fleet.now);
    const halted = (await fleet.release())!;
    assert.equal(halted.state, 'rolling-back');
    assert.match(halted.reason, /refused it \(db-\d\): policy: 3:1: no/);
    await fleet.pass(leader, 3);
    assert.equal((await fleet.release())!.state, 'rolled-back');
    await fleet.publish('three', 3, before);
    await fleet.pass(leader, 24);
    assert.equal((await fleet.release())!.state, 'done');
  },
);

test('two leaders, and an operator between, never act twice', { skip: postgresMissing }, async () => {
  const fleet = await Fleet.of('job', 3);
  await fleet.publish('one', 1);
  const [first, second] = [new Leader(() => undefined), new Leader(() => undefined)];
  await Promise.all([first.lead(fleet.engine, fleet.now), second.lead(fleet.engine, fleet.now)]);
  const release = (await fleet.release())!;
  const placed = async () => {
    const all = await fleet.engine.placements(release.id);
    return all.filter(({ stage }) => stage >= 0).length;
  };
  assert.equal(await placed(), 1);
  // The operator pauses between what a leader reads and what it writes.
  const slow: Engine = {
    ...fleet.engine,
    async advance(...args) {
      await fleet.engine.advance(release, { ...commandChange(release, 'pause', 'wait', fleet.now) }, []);
      return await fleet.engine.advance(...args);
    },
  };
  for (let minute = 0; minute < 12; minute++) {
    fleet.now += MINUTE;
    await fleet.confirm();
    await first.lead(slow, fleet.now);
  }
  const paused = (await fleet.release())!;
  assert.deepEqual([paused.state, paused.reason, paused.stage], ['paused', 'wait', 0]);
  assert.equal(await placed(), 1);
});

test(
  'a leader that begins passes no stage on what it has not seen itself',
  { skip: postgresMissing },
  async () => {
    const fleet = await Fleet.of('new', 2);
    await fleet.publish('one', 1);
    await fleet.pass(new Leader(() => undefined), 9);
    fleet.now += 30 * MINUTE;
    await fleet.confirm();
    const next = new Leader(() => undefined);
    await next.lead(fleet.engine, fleet.now);
    assert.equal((await fleet.release())!.stage, 0);
    await fleet.pass(next, 3);
    assert.equal((await fleet.release())!.stage, 1);
  },
);

test('what is wrong with one release does not hold the others up', async () => {
  const manifest = manifestBytes({
    format: 1,
    workload: 'a',
    revision: 1,
    digest: '0'.repeat(64),
    previous: null,
    previousMode: null,
    plan: null,
    features: [],
    issued: '2026-11-30T00:00:00Z',
    notAfter: '2027-11-30T00:00:00Z',
    onStale: 'keep',
    mode: 'monitor',
  });
  const broken = { workload: 'a', id: 1, state: 'running', plan: null, manifest } as unknown as ReleaseRow;
  const newer = { ...broken, workload: 'of a newer hub', id: 3, manifest: Buffer.from('{"format":2}') };
  const asked: string[] = [];
  const engine = {
    releases: async () => [newer, broken, { ...broken, workload: 'b', id: 2 }],
    hosts: async (workload?: string) => {
      asked.push(workload!);
      return [];
    },
    placements: async () => [],
    denials: async () => [],
    advance: async () => true,
  };
  await assert.rejects(new Leader(() => undefined).lead(engine, 0), TypeError);
  assert.deepEqual(asked, ['a', 'b']);
});
