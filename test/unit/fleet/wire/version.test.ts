/** Agents and hubs of neighbouring versions: fields that one does not know are passed over, and features are asked for. */
import assert from 'node:assert/strict';
import { after, before, test, type TestContext } from 'node:test';
import {
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import type { Engine } from '../../../../fleet/engine/engine.ts';
import type { ClientTls } from '../../../../fleet/wire/client.ts';
import { isLeftOut } from '../../../../fleet/wire/feature.ts';
import { atEnd } from '../../at-end.ts';
import { agentHost } from '../fixture/agent-host.ts';
import { batchOf, rowOf } from '../fixture/evidence.ts';
import {
  endHubWithEngine,
  joinAs,
  makeTestHub,
  startHubWithEngine,
  TestHub,
  until as untilThen,
} from '../fixture/hub.ts';
import { servicesOf } from '../fixture/other-version.ts';
import { postgresMissing, type TestServer } from '../fixture/postgres.ts';
import { SmallHub, until } from '../fixture/small-hub.ts';

const POLICY = `version: 2
network:
  mode: block
  target: host
  allow:
    - to:
        - cidr: [127.0.0.0/8]
`;
type Fields = Record<string, unknown>;
type Which = 'older' | 'newer';
const VERSIONS: readonly Which[] = ['older', 'newer'];

/** A message with a field that only a newer version has; an older one leaves it out. */
const later = (fields: Fields): Fields => ({ ...fields, later: 'later' });

let server: TestServer;
let engine: Engine;
let hub: TestHub;
before(async () => {
  if (postgresMissing) return;
  ({ server, engine, hub } = await startHubWithEngine(await makeTestHub()));
});
after(async () => {
  if (postgresMissing) return;
  await endHubWithEngine({ server, engine, hub });
});

/** What an agent of another version does: says how it is, and reports. */
async function beAgent(
  services: (name: string) => ServiceDefinition,
  { certificate, key, trust }: ClientTls,
) {
  const tls = credentials.createSsl(Buffer.from(trust), Buffer.from(key!), Buffer.from(certificate!));
  const client = new Client(hub.address, tls, { 'grpc.enable_http_proxy': 0 });
  const { Report, Watch } = services('Fleet') as Record<'Report' | 'Watch', ServiceDefinition[string]>;
  const stream = client.makeBidiStreamRequest(
    Watch.path,
    Watch.requestSerialize,
    Watch.responseDeserialize,
  ) as ClientDuplexStream<Fields, Fields>;
  const messages: Fields[] = [];
  stream.on('error', () => undefined);
  stream.on('data', (message: Fields) => messages.push(message));
  stream.write(
    later({ instance: 'a', agentVersion: '9', features: ['enforce', 'later'], clock: Date.now() }),
  );
  const row = { ...later({}), ...rowOf({ last: Date.now() * 1000 - 1e6 }) };
  const batch = later({ ...batchOf([row], { clock: Date.now() }) });
  const receipt = await new Promise<Fields>((resolve, reject) => {
    client.makeUnaryRequest(
      Report.path,
      Report.requestSerialize,
      Report.responseDeserialize,
      batch,
      new Metadata(),
      (error, answer) => (error ? reject(error) : resolve(answer as Fields)),
    );
  });
  const close = (): void => (stream.cancel(), client.close());
  return { close, messages, receipt };
}

test('a hub serves agents of the version before and after its own', { skip: postgresMissing }, async () => {
  for (const which of VERSIONS) {
    const { identity, tls } = await joinAs(await hub.token(), which);
    const agent = await beAgent(servicesOf(which), tls);
    assert.equal(agent.receipt['rows'], 1, which);
    await untilThen(() => agent.messages.some(({ it }) => it === 'welcome'), 'welcome');
    await untilThen(async () => (await engine.host(identity.hostId))!.lastSeen > 0, 'sign of life');
    const host = (await engine.host(identity.hostId))!;
    assert.deepEqual([host.name, host.agentVersion], [which, '9']);
    // What an agent has not said it can do is not asked of it.
    assert.equal(isLeftOut(host), which === 'older');
    assert.deepEqual(host.features, which === 'older' ? [] : ['enforce', 'later']);
    agent.close();
  }
  assert.equal(hub.hub.status.faults, 0);
});

/** A hub of another version, which welcomes and says more than this one knows; `send` sends what a test has. */
async function beHub(t: TestContext, which: Which, small: SmallHub) {
  const { certificate, key, trust } = await small.shown();
  const streams: ServerDuplexStream<Fields, Fields>[] = [];
  const states: Fields[] = [];
  const batches: Fields[] = [];
  const other = new Server();
  other.addService(servicesOf(which)('Fleet'), {
    Watch: (stream: ServerDuplexStream<Fields, Fields>) => {
      streams.push(stream);
      stream.on('data', (state: Fields) => states.push(state));
      stream.on('error', () => undefined);
      stream.on('end', () => stream.end());
      if (which === 'newer') stream.write(later({ laterKind: { text: 'news' }, clock: Date.now() }));
      const named = { hostId: small.hostId, workload: 'web', name: 'web-1', labels: { role: 'web' } };
      stream.write(later({ welcome: later({ ...named, timeline: 'one' }), clock: Date.now() }));
    },
    Report: ({ request }: { request: Fields }, answer: (error: null, receipt: Fields) => void) => {
      batches.push(request);
      answer(null, later({ rows: (request['rows'] as unknown[]).length, refused: [] }));
    },
  });
  const pair = { cert_chain: Buffer.from(certificate), private_key: Buffer.from(key) };
  const secure = ServerCredentials.createSsl(Buffer.from(trust), [pair], true);
  const port = await new Promise<number>((resolve, reject) => {
    other.bindAsync('127.0.0.1:0', secure, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  atEnd(t, () => other.forceShutdown());
  const send = (message: Fields): void =>
    void streams.at(-1)!.write(later({ ...message, clock: Date.now() }));
  return { address: `127.0.0.1:${port}`, batches, send, states };
}

for (const which of VERSIONS) {
  test(`an agent reports to a hub of the ${which} version, and takes its policy`, async (t) => {
    const [small, host] = [await SmallHub.start(t), await agentHost(t)];
    const other = await beHub(t, which, small);
    host.add({ port: 443 });
    const directory = await small.joined(t, { hub: [other.address] });
    host.start({ directory, trial: 10 });
    await until(() => other.states.length > 0 && other.batches.some(({ rows }) => (rows as []).length > 0));
    other.send({ offer: later({ ...small.offer(POLICY) }) });
    const confirmed = (): boolean =>
      other.states.some(({ inForce }) => (inForce as Fields | null)?.['confirmed'] === true);
    await until(confirmed);
    assert.deepEqual(host.enforcer.asked, ['apply', 'confirm']);
    assert.equal(host.enforcer.status.mode, 'block');
  });
}
