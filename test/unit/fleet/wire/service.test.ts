/** The typed calls over real TLS, with handlers of the test's own. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { BouhekiError } from '../../../../error/error.ts';
import { issueClient, issueHub, makeAuthority } from '../../../../fleet/identity/authority.ts';
import { certificatesIn, identityOf, pemOf, uriOf } from '../../../../fleet/identity/identity.ts';
import { digestOf, newKey, publicKeyOf } from '../../../../fleet/identity/key.ts';
import { fetchAuthority } from '../../../../fleet/identity/pin.ts';
import { HubClient, isShutOut, waitOf, withHub } from '../../../../fleet/wire/client.ts';
import type { AuditRow, Batch } from '../../../../fleet/wire/message.ts';
import { HELLO } from '../fixture/agent-state.ts';
import { LIMITS } from '../fixture/small-hub.ts';
import { Busy, ReplaceableCredentials, ShutOut, WireServer } from '../../../../fleet/wire/server.ts';

const warnings: Error[] = [];
process.on('warning', (warning) => warnings.push(warning));

const NOW = Date.now();
const authority = await makeAuthority('test', NOW);
const hubKey = newKey();
const hub = await issueHub(authority, ['127.0.0.1'], publicKeyOf(hubKey), NOW);
const chain = pemOf([hub.certificate]) + authority.certificate;

async function clientTls(by = authority) {
  const key = newKey();
  const uri = uriOf('bouheki', 'host', 'h1');
  const { certificate } = await issueClient(by, { uri, publicKey: publicKeyOf(key), life: 60_000 }, NOW);
  return { trust: authority.certificate, certificate: pemOf([certificate]), key };
}

const faults: unknown[] = [];
const server = new WireServer({ connectionAge: 0, limits: LIMITS, onFault: (error) => faults.push(error) });
const BATCH: Batch = { subjects: [], rows: [], windows: [], clock: 1 };

/** What Report does, by the clock of the batch. */
const REPORTS: Record<number, () => Error> = {
  2: () => new Busy(1500),
  3: () => new ShutOut('revoked'),
  4: () => new BouhekiError('fleet', 'not so', { remedy: 'do “otherwise”' }),
  5: () => new TypeError('fault'),
  6: () => new BouhekiError('fleet-away', 'the engine is away'),
};
server.serve('Fleet', {
  Report: async ({ clock }, peer) => {
    if (clock === 7) await new Promise((resolve) => void setTimeout(resolve, 300));
    if (REPORTS[clock]) throw REPORTS[clock]();
    return { rows: identityOf(peer.certificate!, 'bouheki')!.id === 'h1' ? 1 : 0, refused: [], pace: null };
  },
  Watch: (stream) => {
    stream.onState(({ instance }) => {
      if (instance === 'throws') throw new TypeError('in a stream');
      if (instance === 'bad') stream.end(new ShutOut('revoked'));
      else stream.send({ it: 'pace', pace: { reportSeconds: 5, spreadSeconds: 6 }, clock: 9 });
    });
  },
});
async function* audit(): AsyncGenerator<AuditRow> {
  for (let at = 0; at < 3000; at++) yield { time: at, who: 'operator a', what: 'x'.repeat(200) };
}
server.serve('Admin', { Audit: audit } as never);
const credentials = new ReplaceableCredentials({
  certificate: chain,
  key: hubKey,
  clientTrust: authority.certificate,
});
const address = `127.0.0.1:${await server.listen('127.0.0.1:0', credentials)}`;
const client = new HubClient(address, await clientTls());
after(async () => {
  client.close();
  await server.stop(100);
});

test('a call has the certificate of its caller, and failures have what the caller needs', async () => {
  assert.deepEqual(await client.call('Fleet/Report', BATCH), { rows: 1, refused: [], pace: null });
  const failure = async (clock: number) =>
    await client.call('Fleet/Report', { ...BATCH, clock }).then(
      () => assert.fail(),
      (error: unknown) => error as BouhekiError,
    );
  const busy = await failure(2);
  assert.deepEqual([busy.code, waitOf(busy), isShutOut(busy)], ['fleet-away', 1500, false]);
  const out = await failure(3);
  assert.deepEqual([out.code, waitOf(out), isShutOut(out)], ['fleet', undefined, true]);
  const refused = await failure(4);
  assert.deepEqual([refused.code, refused.remedy], ['fleet', 'do “otherwise”']);
  assert.match(refused.message, /refuses: not so$/);
  assert.doesNotMatch((await failure(5)).message, /fault/);
  assert.equal((faults[0] as Error).message, 'fault');
  assert.equal((await failure(6)).code, 'fleet-away');
});

test('a call ends in time, or when it is not wanted any more', async () => {
  const late = { ...BATCH, clock: 7 };
  await assert.rejects(client.call('Fleet/Report', late, { within: 50 }), { code: 'fleet-away' });
  const signal = AbortSignal.timeout(50);
  await assert.rejects(client.call('Fleet/Report', late, { signal }), { name: 'TimeoutError' });
});

test('many answers come in order, and a reader may stop early', async () => {
  let rows = 0;
  for await (const { time } of client.stream('Admin/Audit', { since: 0, most: 1 }))
    assert.equal(time, rows++);
  assert.equal(rows, 3000);
  for await (const { time } of client.stream('Admin/Audit', { since: 0, most: 1 })) if (time === 5) break;
});

test('a stream goes both ways, and breaks with the reason of the hub', async () => {
  const watch = client.watch();
  watch.send(HELLO);
  const messages = watch.messages[Symbol.asyncIterator]();
  const { value } = await messages.next();
  assert.deepEqual(value, { it: 'pace', pace: { reportSeconds: 5, spreadSeconds: 6 }, clock: 9 });
  watch.send({ ...HELLO, instance: 'bad' });
  await assert.rejects(messages.next(), isShutOut);
});

/** Why a stream ended on which an agent of this name spoke. */
const say = async (instance: string): Promise<unknown> => {
  const call = client.watch();
  call.send({ ...HELLO, instance, clock: 1 });
  for await (const message of call.messages) {
    call.cancel();
    return message.it;
  }
  return undefined;
};

test('a stream takes no large message, and what fails in taking one ends it alone', async () => {
  assert.equal(await say('x'.repeat(60_000)), 'pace');
  await assert.rejects(say('x'.repeat(70_000)), /deserializing/);
  await assert.rejects(say('throws'), /failed/);
  assert.equal(await say('good'), 'pace');
});

test('a stream ends in peace when the agent ends it', async () => {
  const watch = client.watch();
  watch.end();
  for await (const _ of watch.messages) assert.fail();
});

test('a certificate of another authority, and none, reach nothing', async () => {
  const other = await makeAuthority('other', NOW);
  for (const tls of [await clientTls(other), { trust: authority.certificate }]) {
    await assert.rejects(
      withHub([address], tls, (hub) => hub.call('Fleet/Report', BATCH)),
      { code: 'fleet-away' },
    );
  }
  const wrong = { ...(await clientTls()), trust: other.certificate };
  await assert.rejects(
    withHub([address], wrong, (hub) => hub.call('Fleet/Report', BATCH)),
    { code: 'fleet-away' },
  );
});

test('a hub is believed at the names and addresses of its certificate alone, and nothing warns of them', async (t) => {
  const tls = await clientTls();
  const ask = async (names: string[], listen: string, host: string): Promise<number> => {
    const key = newKey();
    const { certificate } = await issueHub(authority, names, publicKeyOf(key), NOW);
    const shown = { certificate: pemOf([certificate]), key, clientTrust: authority.certificate };
    const other = new WireServer({
      connectionAge: 0,
      limits: LIMITS,
      onFault: (error) => faults.push(error),
    });
    other.serve('Fleet', { Report: async () => ({ rows: 7, refused: [], pace: null }) } as never);
    t.after(() => other.stop(100));
    const port = await other.listen(listen, new ReplaceableCredentials(shown));
    return (await withHub([`${host}:${port}`], tls, (each) => each.call('Fleet/Report', BATCH))).rows;
  };
  assert.equal(await ask(['127.0.0.1'], '127.0.0.1:0', '127.0.0.1'), 7);
  assert.equal(await ask(['::1'], '[::1]:0', '[::1]'), 7);
  assert.equal(await ask(['localhost'], '127.0.0.1:0', 'localhost'), 7);
  for (const names of [['127.0.0.2'], ['::1'], ['hub.invalid', 'localhost']])
    await assert.rejects(ask(names, '127.0.0.1:0', '127.0.0.1'), { code: 'fleet-away' });
  await assert.rejects(ask(['::2'], '[::1]:0', '[::1]'), { code: 'fleet-away' });
  await assert.rejects(ask(['127.0.0.1'], '127.0.0.1:0', 'localhost'), { code: 'fleet-away' });
  assert.deepEqual(warnings, []);
});

test('the next address is asked where one does not answer, and not where one refuses', async () => {
  const tls = await clientTls();
  const answer = await withHub(['127.0.0.1:1', address], tls, (hub) => hub.call('Fleet/Report', BATCH));
  assert.equal(answer.rows, 1);
  const asked: string[] = [];
  await assert.rejects(
    withHub([address, '127.0.0.1:1'], tls, (hub) => {
      asked.push(hub.address);
      return hub.call('Fleet/Report', { ...BATCH, clock: 4 });
    }),
    { code: 'fleet' },
  );
  assert.deepEqual(asked, [address]);
});

test('an authority is taken by its digest from what the hub shows', async () => {
  const [raw] = certificatesIn(authority.certificate);
  assert.deepEqual(certificatesIn(await fetchAuthority(address, digestOf(raw!))), [raw]);
  await assert.rejects(fetchAuthority(address, 'ab'.repeat(32)), { code: 'untrusted' });
  await assert.rejects(fetchAuthority('127.0.0.1:1', 'ab'.repeat(32)), { code: 'fleet-away' });
});

test('new connections see replaced credentials, and open streams go on', async () => {
  const open = client.watch();
  open.send(HELLO);
  const messages = open.messages[Symbol.asyncIterator]();
  await messages.next();
  const next = await makeAuthority('next', NOW);
  const key = newKey();
  const { certificate } = await issueHub(next, ['127.0.0.1'], publicKeyOf(key), NOW);
  credentials.replace({
    certificate: pemOf([certificate]) + next.certificate,
    key,
    clientTrust: authority.certificate + next.certificate,
  });
  const tls = await clientTls(next);
  const both = { ...tls, trust: authority.certificate + next.certificate };
  const { rows } = await withHub([address], both, (hub) => hub.call('Fleet/Report', BATCH));
  assert.equal(rows, 1);
  await assert.rejects(
    withHub([address], tls, (hub) => hub.call('Fleet/Report', BATCH)),
    { code: 'fleet-away' },
  );
  open.send(HELLO);
  assert.equal((await messages.next()).value.it, 'pace');
  open.cancel();
});
