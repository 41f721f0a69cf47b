import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import type { Engine, ReleaseRow, Sighting } from '../../../../fleet/engine/engine.ts';
import { openEngine } from '../../../../fleet/engine/open.ts';
import { batchOf, enrolled, HOUR, newHost, NOW, rowOf } from '../fixture/evidence.ts';
import { until } from '../fixture/hub.ts';
import { postgresMissing, sql, startPostgres, type TestServer } from '../fixture/postgres.ts';

let server: TestServer;
let engine: Engine;
let other: Engine;

before(async () => {
  if (postgresMissing !== false) return;
  server = await startPostgres();
  [engine, other] = await Promise.all([openEngine([server.url]), openEngine([server.url])]);
});

after(async () => {
  await engine?.close();
  await other?.close();
  await server?.remove();
});

async function addToken(uses: number, expires = NOW + 1000): Promise<string> {
  const hash = createHash('sha256').update(randomUUID()).digest('hex');
  await engine.addToken({ hash, labels: { role: 'web' }, uses, expires });
  return hash;
}

const needsServer = { skip: postgresMissing };

test(
  'a token has as many uses as it says, at once and one by one, and a key that comes again has its id',
  needsServer,
  async () => {
    const token = await addToken(2);
    const keys = ['a', 'b', 'c', 'd', 'e'].map((name) => newHost(name));
    const all = await Promise.all(
      [...keys, ...keys].map((host, at) => (at % 2 === 0 ? engine : other).enrol(token, host, NOW)),
    );
    const known = all.filter((host) => host !== undefined);
    assert.equal(new Set(known.map(({ id }) => id)).size, 2);
    const first = known[0]!;
    assert.deepEqual(first.labels, { role: 'web' });
    // An answer that was lost: the same id, by the same token alone, and while it is valid.
    const again = { ...newHost(first.name), keyHash: first.keyHash, publicKey: first.publicKey };
    assert.equal((await engine.enrol(token, again, NOW))?.id, first.id);
    assert.equal(await engine.enrol(token, again, NOW + 5000), undefined);
    assert.equal(await engine.enrol('none', again, NOW), undefined);
    for (let at = 0; at < 3; at++) await engine.used(first.id);
    const left = await sql(server.url, 'SELECT uses, reserved, spent FROM bouheki.token WHERE hash = $1', [
      token,
    ]);
    assert.deepEqual(left, [{ uses: 2, reserved: 1, spent: 1 }]);
    assert.equal(await engine.enrol(token, newHost('late'), NOW), undefined);
  },
);

const counts = async (hash: string) =>
  await sql(server.url, 'SELECT reserved, spent FROM bouheki.token WHERE hash = $1', [hash]);

test('a key that is known opens nothing without a use of a token', needsServer, async () => {
  const token = await addToken(2);
  const host = newHost('known');
  const { id } = (await engine.enrol(token, host, NOW))!;
  await engine.used(id);
  const renamed = { ...host, name: 'renamed' };
  assert.equal(await engine.enrol('0'.repeat(64), renamed, NOW), undefined);
  assert.equal(await engine.enrol(await addToken(5, NOW), renamed, NOW), undefined);
  assert.equal((await engine.host(id))!.name, 'known');
  // With the last use of its token, or one of another, it is the same host, by the labels of that token.
  assert.equal((await engine.enrol(token, renamed, NOW))?.id, id);
  assert.equal((await engine.enrol(token, renamed, NOW))?.name, 'renamed');
  assert.deepEqual(await counts(token), [{ reserved: 1, spent: 1 }]);
  await engine.used(id);
  assert.deepEqual(await counts(token), [{ reserved: 0, spent: 2 }]);
  assert.equal(await engine.enrol(token, host, NOW), undefined);
  const other = createHash('sha256').update(randomUUID()).digest('hex');
  await engine.addToken({ hash: other, labels: { role: 'elsewhere' }, uses: 1, expires: NOW + 1000 });
  assert.deepEqual((await engine.enrol(other, host, NOW))?.labels, { role: 'elsewhere' });
  assert.equal(await engine.enrol(other, newHost('another'), NOW), undefined);
  // One that was revoked stays so, and spends nothing.
  await engine.setHostState(id, 'revoked');
  const fresh = await addToken(1);
  assert.equal((await engine.enrol(fresh, renamed, NOW))?.state, 'revoked');
  assert.equal((await engine.host(id))!.name, 'known');
  assert.deepEqual(await counts(fresh), [{ reserved: 0, spent: 0 }]);
});

test('a token that has expired, or is not known, enrols nobody', needsServer, async () => {
  assert.equal(await engine.enrol(await addToken(5, NOW), newHost('late'), NOW), undefined);
  assert.equal(await engine.enrol('0'.repeat(64), newHost('stranger'), NOW), undefined);
  assert.equal(await engine.enrol(await addToken(0), newHost('none'), NOW), undefined);
});

test('two certificates are known of a host, the newest and the one before', needsServer, async () => {
  const [host] = await enrolled(engine, ['c']);
  await engine.issued(host!.id, '01', NOW);
  await engine.issued(host!.id, '02', NOW + 5);
  await engine.issued(host!.id, '02', NOW + 5);
  const { serial, previousSerial, certificateEnds } = (await engine.host(host!.id))!;
  assert.deepEqual(
    { serial, previousSerial, certificateEnds },
    { serial: '02', previousSerial: '01', certificateEnds: NOW + 5 },
  );
  assert.equal(await engine.host(randomUUID()), undefined);
});

test(
  'the first workload in order that selects a host has it, also when workloads change',
  needsServer,
  async () => {
    const [host] = await enrolled(engine, ['w'], { role: 'db', env: 'prod' });
    assert.equal(host!.workload, undefined);
    await engine.setWorkload({ name: 'all', select: {}, order: 9 });
    await engine.setWorkload({ name: 'db', select: { role: 'db' }, order: 2 });
    await engine.setWorkload({ name: 'prod', select: { env: 'prod', role: 'db' }, order: 1 });
    assert.equal((await engine.host(host!.id))!.workload, 'prod');
    await engine.setWorkload({ name: 'prod', select: { env: 'test' }, order: 1 });
    assert.deepEqual(
      (await engine.hosts('db')).map(({ name }) => name),
      ['w'],
    );
    const [late] = await enrolled(engine, ['late'], { role: 'db' });
    assert.equal(late!.workload, 'db');
    assert.equal((await engine.hostsNamed('late'))[0]!.id, late!.id);
    assert.deepEqual(
      (await engine.workloads()).map(({ name }) => name),
      ['prod', 'db', 'all'],
    );
    // A name of more workloads than one selects, enrolled while they change.
    await Promise.all([
      engine.setWorkload({ name: 'soon', select: { role: 'soon' }, order: 0 }),
      enrolled(
        other,
        Array.from({ length: 10 }, (_, at) => `soon-${at}`),
        { role: 'soon' },
      ),
    ]);
    assert.equal((await engine.hosts('soon')).length, 10);
  },
);

function sightingOf(host: string, seen: number): Sighting {
  return {
    host,
    seen,
    agentVersion: '0.2.0',
    features: ['names'],
    skew: -12,
    revision: 4,
    digest: Buffer.from([1, 2]),
    mode: 'block',
    stale: true,
    fallback: false,
    lost: 1,
    unsentRows: 2,
    newDeniedKeys: 3,
    breakerTrips: 4,
  };
}

test(
  'signs of life of many hosts are written at once, from two hubs, and late ones change nothing',
  needsServer,
  async () => {
    const hosts = (
      await enrolled(
        engine,
        Array.from({ length: 50 }, (_, at) => `s-${at}`),
      )
    ).map(({ id }) => id);
    await Promise.all(
      Array.from({ length: 12 }, (_, at) =>
        (at % 2 === 0 ? engine : other).sighted(
          (at % 2 === 0 ? hosts : hosts.toReversed()).map((host) => sightingOf(host, NOW + at)),
        ),
      ),
    );
    await engine.sighted([{ ...sightingOf(hosts[0]!, NOW - 5), revision: 1 }]);
    const { host: _host, seen: _seen, ...told } = sightingOf(hosts[0]!, NOW);
    const found = (await engine.host(hosts[0]!))!;
    assert.deepEqual({ ...found, ...told, lastSeen: NOW + 11 }, found);
    await engine.sighted([]);
  },
);

test('no text or number of an agent makes a statement fail that others share', needsServer, async () => {
  const token = await addToken(1);
  const bad = 'a\0b\ud800';
  const host = (await engine.enrol(token, { ...newHost(bad), agentVersion: bad }, NOW))!;
  assert.equal(host.name, 'a\ufffdb\ufffd');
  await engine.sighted([
    {
      ...sightingOf(host.id, NOW),
      agentVersion: bad,
      features: [bad],
      mode: bad,
      revision: 2 ** 64,
      skew: -Infinity,
      lost: Number.NaN,
      unsentRows: 1.5,
    },
  ]);
  const found = (await engine.host(host.id))!;
  assert.deepEqual(
    [found.features, found.revision, found.lost],
    [['a\ufffdb\ufffd'], Number.MAX_SAFE_INTEGER, 0],
  );
  await engine.audit(bad, bad, NOW - 9);
});

async function publish(revision: number, workload = 'db'): Promise<ReleaseRow | undefined> {
  const body = Buffer.from(`policy ${revision}`);
  return engine.publish(
    {
      workload,
      revision,
      digest: createHash('sha256').update(body).digest(),
      previous: revision === 1 ? undefined : Buffer.alloc(32, 7),
      manifest: Buffer.from([0, 255, revision]),
      signatures: [{ key: 'ab', signature: Buffer.from([1, 2, 255]) }],
      plan: { stages: [1] },
    },
    body,
    NOW + revision,
  );
}

test(
  'a release ends the one before, has a place for each host, and goes on only from where it was read',
  needsServer,
  async () => {
    const heard = { times: 0 };
    await other.onPublished(() => heard.times++);
    const first = (await publish(1))!;
    assert.equal(await publish(1), undefined);
    const [a, b] = await Promise.all([publish(3), publish(3)]);
    const release = (a ?? b)!;
    assert.ok(a === undefined || b === undefined);
    assert.equal(await publish(2), undefined);
    assert.deepEqual((await engine.releases('db'))[0], release);
    assert.deepEqual(release.signatures, [{ key: 'ab', signature: Buffer.from([1, 2, 255]) }]);
    assert.deepEqual([release.previous, first.previous], [Buffer.alloc(32, 7), undefined]);
    assert.equal((await engine.body(release.digest))!.toString(), 'policy 3');
    assert.equal(await engine.advance(first, { state: 'done' }, []), false);

    const placements = await engine.placements(release.id);
    assert.deepEqual(
      placements.map(({ stage, state }) => [stage, state]),
      [
        [-1, 'waiting'],
        [-1, 'waiting'],
      ],
    );
    const placed = placements.map((placement) =>
      Object.assign(placement, { stage: 0, state: 'offered' as const }),
    );
    const [won, lost] = await Promise.all([
      engine.advance(release, { stage: 1, stageSince: NOW }, placed),
      other.advance(release, { state: 'paused', reason: 'x' }, []),
    ]);
    assert.notEqual(won, lost);
    const stored = (await engine.placement(release.id, placed[0]!.host))!;
    await engine.setPlacement({ ...stored, state: 'refused', error: 'feature\0' });
    // The leader has moved it on meanwhile: what was read before says nothing of it.
    await other.setPlacement({ ...stored, stage: 7, state: 'confirmed' });
    const refused = await engine.placement(release.id, stored.host);
    assert.deepEqual(refused, { ...stored, state: 'refused', error: 'feature\ufffd' });
    assert.equal(await engine.placement(release.id, randomUUID()), undefined);
    // Two of them that were published and one that moved on: told on a connection of its own, a little later.
    await until(() => heard.times >= 3, 'third word of a release');
  },
);

test(
  'denials of a release are counted by host, with those that regressed and what was denied before',
  needsServer,
  async () => {
    const [x, y, quiet] = await enrolled(engine, ['x', 'y', 'quiet'], { role: 'deny' });
    await engine.setWorkload({ name: 'deny', select: { role: 'deny' }, order: 3 });
    const release = (await publish(5, 'deny'))!;
    const before = NOW * 1000 - 3 * HOUR;
    const later = (release.since + 1) * 1000;
    const denied = { verdict: 'WOULD_DENY' as const, revision: 5, last: later, first: later };
    const rows = [
      rowOf({ port: 1, last: before, first: before }),
      rowOf({ ...denied, port: 1 }),
      // The same key, of monitor and then of block: one.
      rowOf({ ...denied, port: 1, verdict: 'DENY' }),
      rowOf({ ...denied, port: 2 }),
      // Allowed only after the release had begun.
      rowOf({ port: 3, last: later, first: later }),
      rowOf({ ...denied, port: 3 }),
      // Of the same number, of another workload, long ago.
      rowOf({ ...denied, port: 4, last: before, first: before }),
      rowOf({ verdict: 'DENY', revision: 4, port: 5, last: before, first: before }),
    ];
    await engine.merge(
      [
        { host: x!.id, batch: batchOf(rows) },
        { host: y!.id, batch: batchOf([rowOf({ ...denied, verdict: 'DENY', port: 9 })]) },
        { host: quiet!.id, batch: batchOf([rowOf()]) },
      ],
      NOW + 10,
    );
    assert.deepEqual(
      await engine.denials(release.id),
      [
        { host: x!.id, denied: 3, regressed: 1, before: 1, full: false },
        { host: y!.id, denied: 1, regressed: 0, before: 0, full: false },
      ].toSorted((a, b) => (a.host < b.host ? -1 : 1)),
    );
    const small = await openEngine([server.url], { keys: 1, deniedKeys: 1 });
    const smallest = await openEngine([server.url], { keys: 1, deniedKeys: 0 });
    try {
      assert.deepEqual(
        (await small.denials(release.id)).filter(({ full }) => full).map(({ host }) => host),
        [x!.id],
      );
      assert.deepEqual(
        (await smallest.denials(release.id)).find(({ host }) => host === quiet!.id),
        { host: quiet!.id, denied: 0, regressed: 0, before: 0, full: true },
      );
    } finally {
      await small.close();
      await smallest.close();
    }
  },
);

test('the audit has the latest first', needsServer, async () => {
  for (const what of ['one', 'two', 'three']) await engine.audit('operator ann', what, NOW);
  await engine.audit('operator ann', 'before', NOW - 1);
  assert.deepEqual(
    (await engine.audited(NOW, 2)).map(({ what }) => what),
    ['three', 'two'],
  );
});
