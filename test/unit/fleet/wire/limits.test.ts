/** What somebody without a certificate can take of a server: with real connections. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { issueHub, makeAuthority } from '../../../../fleet/identity/authority.ts';
import { pemOf } from '../../../../fleet/identity/identity.ts';
import { newKey, publicKeyOf } from '../../../../fleet/identity/key.ts';
import { sourceOf } from '../../../../fleet/wire/door.ts';
import { ReplaceableCredentials, type ServerLimits, WireServer } from '../../../../fleet/wire/server.ts';
import { atEnd } from '../../at-end.ts';
import { until } from '../fixture/hub.ts';

const JOIN = '/bouheki.fleet.v1.Enrollment/Join';
const LIMITS: ServerLimits = {
  largestRequest: 16 * 1024,
  streams: 4,
  connections: { all: 8, perAddress: 5 },
  idle: 0,
};

const nobody = async () => await Promise.reject(new Error('nobody joins here'));
const isOpen = (each: Socket): boolean => !each.destroyed && !each.readableEnded;

async function serve(t: TestContext, change: Partial<ServerLimits> = {}): Promise<number> {
  const now = Date.now();
  const authority = await makeAuthority('test', now);
  const key = newKey();
  const { certificate } = await issueHub(authority, ['127.0.0.1'], publicKeyOf(key), now);
  const server = new WireServer({
    connectionAge: 0,
    limits: { ...LIMITS, ...change },
    onFault: console.error,
  });
  server.serve('Enrollment', { Join: nobody, Renew: nobody });
  const shown = pemOf([certificate]) + authority.certificate;
  const credentials = new ReplaceableCredentials({ certificate: shown, key, clientTrust: undefined });
  const port = await server.listen('127.0.0.1:0', credentials);
  atEnd(t, async () => await server.stop(0));
  return port;
}

function session(t: TestContext, port: number): ClientHttp2Session {
  const made = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  made.on('error', () => undefined);
  atEnd(t, () => made.destroy());
  return made;
}

/** Says that a message of so many bytes comes, and sends less. Resolves with the status of gRPC, if the server ends it. */
function begin(client: ClientHttp2Session, length: number, sent: number): Promise<string> {
  const stream = client.request({ ':method': 'POST', ':path': JOIN, 'content-type': 'application/grpc' });
  const header = Buffer.alloc(5);
  header.writeUInt32BE(length, 1);
  stream.write(Buffer.concat([header, Buffer.alloc(sent)]));
  stream.resume();
  return new Promise((resolve, reject) => {
    stream.on('response', (headers) => void (headers['grpc-status'] && resolve(`${headers['grpc-status']}`)));
    stream.on('trailers', (headers) => resolve(`${headers['grpc-status']}`));
    stream.on('error', reject).on('close', () => resolve('closed'));
  });
}

test('a message that is too large is refused by its head, before it is kept', async (t) => {
  const client = session(t, await serve(t));
  assert.equal(await begin(client, 8_000_000, 100), '8');
  assert.equal(await Promise.race([begin(client, 16_000, 100), sleep(300).then(() => 'open')]), 'open');
});

test('a connection has so many calls at a time', async (t) => {
  const client = session(t, await serve(t));
  await once(client, 'remoteSettings');
  assert.equal(client.remoteSettings.maxConcurrentStreams, LIMITS.streams);
  // Node.js's client keeps to it as well: what is beyond waits here, and takes nothing there.
  const calls = Array.from({ length: 9 }, () => begin(client, 16_000, 100).catch(() => 'ended'));
  assert.equal(await Promise.race([...calls, sleep(200).then(() => 'open')]), 'open');
  client.destroy();
  await Promise.all(calls);
});

test('one address has so many connections, and they are free again when they end', async (t) => {
  const port = await serve(t);
  const sockets = Array.from({ length: 9 }, () => connect(port, '127.0.0.1'));
  atEnd(t, () => void sockets.forEach((each) => each.destroy()));
  for (const each of sockets) each.on('error', () => undefined).resume();
  await until(() => sockets.filter(isOpen).length <= 5, 'end of what is too many');
  await sleep(50);
  assert.equal(sockets.filter(isOpen).length, 5);
  const closed = sockets.filter(isOpen).map(async (each) => await once(each.destroy(), 'close'));
  await Promise.all(closed);
  // The server hears of those ends a little later than this end of them.
  await until(async () => (await begin(session(t, port), 8_000_000, 100).catch(() => '')) === '8', 'answer');
});

test('addresses of version 6 are counted by the network that one host has', () => {
  assert.equal(sourceOf('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(sourceOf('192.0.2.1'), '192.0.2.1');
  assert.equal(sourceOf('2001:db8:1:2:3:4:5:6'), sourceOf('2001:db8:1:2::9'));
  assert.notEqual(sourceOf('2001:db8:1:2::9'), sourceOf('2001:db8:1:3::9'));
  assert.equal(sourceOf('fe80::1%eth0'), 'fe80:0:0:0');
  assert.equal(sourceOf('::1'), '0:0:0:0');
});
