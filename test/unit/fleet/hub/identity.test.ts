/** Who may ask a hub for what: with a real engine, real TLS, and agents that are simulated. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Engine } from '../../../../fleet/engine/engine.ts';
import { readHubFiles } from '../../../../fleet/hub/files.ts';
import { DAY, issueClient } from '../../../../fleet/identity/authority.ts';
import { pemOf, uriOf } from '../../../../fleet/identity/identity.ts';
import { newKey, publicKeyOf } from '../../../../fleet/identity/key.ts';
import { makeRequest, proveRenewal } from '../../../../fleet/identity/request.ts';
import { parseToken, printToken } from '../../../../fleet/identity/token.ts';
import { isShutOut, withHub } from '../../../../fleet/wire/client.ts';
import { batchOf, rowOf } from '../fixture/evidence.ts';
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
import { postgresMissing, type TestServer } from '../fixture/postgres.ts';

const options = { skip: postgresMissing };
let server: TestServer;
let engine: Engine;
let hub: TestHub;
let time = 0;

before(async () => {
  if (postgresMissing) return;
  ({ server, engine, hub } = await startHubWithEngine(await makeTestHub(), { now: () => Date.now() + time }));
});
after(async () => {
  if (postgresMissing) return;
  await endHubWithEngine({ server, engine, hub });
});

const now = () => Date.now() + time;
const report = async (tls: Parameters<typeof withHub>[1]) =>
  await withHub([hub.address], tls, (client) => {
    const last = Date.now() * 1000;
    return client.call('Fleet/Report', batchOf([rowOf({ last })], { clock: Date.now() }));
  });

test('a host joins with a token, gets its labels from it, and reports as itself', options, async () => {
  await engine.setWorkload({ name: 'web', select: { role: 'web' }, order: 1 });
  const { identity, tls } = await joinAs(await hub.token({ role: 'web' }), 'web-1');
  assert.equal((await report(tls)).rows, 1);
  const row = await engine.host(identity.hostId);
  assert.deepEqual([row!.name, row!.labels, row!.workload], ['web-1', { role: 'web' }, 'web']);
  const agent = new TestAgent(hub.address, tls);
  const welcome = await agent.next('welcome');
  assert.deepEqual([welcome.hostId, welcome.workload, welcome.name], [identity.hostId, 'web', 'web-1']);
  agent.close();
});

test('a host whose name cannot be shown does not join', options, async () => {
  const token = await hub.token({}, 1);
  for (const name of ['web\n# withheld: {}', 'web\u2028', '\u202ebew'])
    await assert.rejects(joinAs(token, name), /holds control characters/);
  await joinAs(token, 'web-é');
});

test('a token has as many uses as it says, an answer that was lost costs none', options, async () => {
  const token = await hub.token({}, 1);
  const key = newKey();
  const first = await joinAs(token, 'a', key);
  const again = await joinAs(token, 'a', key);
  assert.equal(first.identity.hostId, again.identity.hostId);
  await report(again.tls);
  await assert.rejects(joinAs(token, 'b'), /has no use left/);
  const late = await hub.token({}, 1, Date.now() - 1);
  await assert.rejects(joinAs(late, 'b'), /has expired/);
});

test('a copied key gets no certificate without a use of a token, and no other name', options, async () => {
  const token = await hub.token({}, 1);
  const key = newKey();
  const { identity, tls } = await joinAs(token, 'kept', key);
  await report(tls);
  const isSpent = async (by: string) =>
    await joinAs(by, 'renamed', key).then(
      () => false,
      (error: unknown) => /has no use left/.test(String(error)),
    );
  await until(async () => await isSpent(token), 'use that is spent');
  const unknown = printToken({ ...parseToken(token), secret: 'x'.repeat(32) });
  await assert.rejects(joinAs(unknown, 'renamed', key), /not known/);
  // The hub that has seen its certificate spends the use of the next one too.
  const next = await hub.token({}, 1);
  const again = await joinAs(next, 'again', key);
  assert.equal(again.identity.hostId, identity.hostId);
  await report(again.tls);
  await until(async () => await isSpent(next), 'use that is spent');
});

test('a token with the digest of another authority joins nothing', options, async () => {
  const token = parseToken(await hub.token());
  await assert.rejects(joinAs(printToken({ ...token, authority: 'ab'.repeat(32) }), 'a'), {
    code: 'untrusted',
  });
  await assert.rejects(joinAs(printToken({ ...token, secret: 'x'.repeat(32) }), 'a'), /not known/);
});

test('a certificate that has expired is renewed by the pinned key, and by no other', options, async (t) => {
  t.after(() => (time = 0));
  const { identity, key } = await joinAs(await hub.token(), 'old');
  const csr = await makeRequest(key);
  const { hostId } = identity;
  const renew = async (by: string, request = csr) =>
    await withHub([hub.enroll], { trust: pemOf(identity.trustBundle) }, (client) => {
      const at = now();
      const signature = proveRenewal(by, hostId, at, request);
      return client.call('Enrollment/Renew', { hostId, csr: request, time: at, signature });
    });
  time = 60 * DAY;
  const renewed = await renew(key);
  assert.equal(renewed.hostId, hostId);
  assert.ok((await engine.host(hostId))!.certificateEnds > now());
  const other = newKey();
  await assert.rejects(renew(other), isShutOut);
  await assert.rejects(renew(key, await makeRequest(other)), /no request/);
  time += 30 * DAY + 91 * DAY;
  await assert.rejects(renew(key), /join again/);
});

test('hosts and operators reach what is theirs alone', options, async () => {
  const { tls } = await joinAs(await hub.token(), 'curious');
  const operator = await hub.operator();
  const audit = async (by: typeof tls) =>
    await withHub([hub.address], by, async (client) => {
      const rows = [];
      for await (const row of client.stream('Admin/Audit', { since: 0, most: 10 })) rows.push(row);
      return rows;
    });
  assert.match((await audit(operator))[0]!.what, /^join curious/);
  await assert.rejects(audit(tls), isShutOut);
  await assert.rejects(report(operator), isShutOut);
  const agent = new TestAgent(hub.address, operator);
  assert.ok(isShutOut(await agent.ended()));
  agent.close();
});

test('a certificate with the id of a host, but another key, is not that host', options, async () => {
  const { identity } = await joinAs(await hub.token(), 'victim');
  const { authority, trustPem } = readHubFiles(hub.directory);
  const key = newKey();
  const subject = { uri: uriOf('bouheki', 'host', identity.hostId), publicKey: publicKeyOf(key), life: DAY };
  const { certificate } = await issueClient(authority, subject, Date.now());
  await assert.rejects(report({ trust: trustPem, certificate: pemOf([certificate]), key }), isShutOut);
});

test('a host that is revoked is cut off in mid-stream, and at every later call', options, async () => {
  const { identity, key, tls } = await joinAs(await hub.token(), 'stolen');
  const agent = new TestAgent(hub.address, tls);
  agent.say();
  await agent.next('welcome');
  const operator = await hub.operator();
  const command = { host: 'stolen', action: 'revoke' as const, reason: 'lost' };
  await withHub([hub.address], operator, (client) => client.call('Admin/SetHost', command));
  assert.ok(isShutOut(await agent.ended()));
  agent.close();
  await assert.rejects(report(tls), isShutOut);
  const csr = await makeRequest(key);
  const proof = { hostId: identity.hostId, csr, time: now() };
  const signature = proveRenewal(key, proof.hostId, proof.time, csr);
  await assert.rejects(
    withHub([hub.enroll], { trust: tls.trust }, (client) =>
      client.call('Enrollment/Renew', { ...proof, signature }),
    ),
    isShutOut,
  );
});

test('a host that another hub has revoked is cut off here too', options, async () => {
  const { identity, tls } = await joinAs(await hub.token(), 'elsewhere');
  const agent = new TestAgent(hub.address, tls);
  await agent.next('welcome');
  await engine.setHostState(identity.hostId, 'revoked');
  assert.ok(isShutOut(await agent.ended()));
  agent.close();
});

test('two agents with one identity are a clone, one that started again is none', options, async () => {
  const { identity, tls } = await joinAs(await hub.token(), 'twin');
  const isClone = async () => (await engine.host(identity.hostId))!.clone;
  const former = new TestAgent(hub.address, tls);
  former.say();
  await former.next('welcome');
  const next = new TestAgent(hub.address, tls);
  next.say();
  await next.next('welcome');
  next.say();
  await until(async () => (await engine.host(identity.hostId))!.lastSeen > 0, 'sign of life');
  assert.equal(await isClone(), false);
  former.say();
  await until(isClone, 'flag');
  former.close();
  next.close();
});

test('who uses a certificate that was replaced after the new one is a clone', options, async () => {
  const token = await hub.token();
  const { identity, key, tls } = await joinAs(token, 'restored');
  const { identity: second } = await joinAs(token, 'restored', key);
  const renewed = new TestAgent(hub.address, tlsOf(second, key));
  renewed.say();
  await renewed.next('welcome');
  renewed.close();
  const former = new TestAgent(hub.address, tls);
  former.say();
  await until(async () => (await engine.host(identity.hostId))!.clone, 'flag');
  former.close();
});

// The last: no agent believes that certificate before its time.
test('a hub renews its own certificate, and goes on without a restart', options, async (t) => {
  t.after(() => (time = 0));
  const { tls } = await joinAs(await hub.token(), 'patient');
  const before = readHubFiles(hub.directory).certificate;
  time = 300 * DAY;
  await until(() => readHubFiles(hub.directory).certificate !== before, 'renewal');
  time = 0;
  assert.ok(readHubFiles(hub.directory).life.ends > Date.now() + 600 * DAY);
  await until(
    () =>
      report(tls).then(
        () => false,
        ({ code }) => code === 'fleet-away',
      ),
    'new certificate',
  );
});
