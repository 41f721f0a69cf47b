/** What a hub in wrong hands gets of an author: `fleet publish` by the real command, with real TLS, at a hub that lies. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, createPrivateKey, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { issueClient, issueHub, makeAuthority } from '../../../../fleet/identity/authority.ts';
import { pemOf, uriOf } from '../../../../fleet/identity/identity.ts';
import { newKey, newSigningKey, publicKeyOf } from '../../../../fleet/identity/key.ts';
import { defaultPlan } from '../../../../fleet/release/plan.ts';
import { type Manifest, manifestBytes, readManifest } from '../../../../fleet/wire/manifest.ts';
import type { PublishRequest, ReleaseMessage } from '../../../../fleet/wire/message.ts';
import { ReplaceableCredentials, type ServiceHandlers, WireServer } from '../../../../fleet/wire/server.ts';
import { signManifest } from '../../../../fleet/wire/signature.ts';
import type { Outcome } from '../fixture.ts';
import { writeOperator } from '../../fleet/fixture/operator.ts';
import { LIMITS } from '../../fleet/fixture/small-hub.ts';

const MAIN = join(import.meta.dirname, '../../../../bundle/main.js');
const directory = mkdtempSync(join(tmpdir(), 'bouheki-stolen-'));
const path = (name: string): string => join(directory, name);
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const policy = (cidr: string): string => `version: 2
network:
  mode: block
  target: host
  allow:
    - name: inside
      to:
        - cidr: [${cidr}]
`;
const SAFE = policy('10.0.0.0/8');
const NEXT = policy('10.0.0.0/16');
const EVERYTHING = policy('0.0.0.0/0');

const authors = new Map<string, KeyObject>();
let server: WireServer;
/** What the hub shows, and what it was sent. */
let newest: ReleaseMessage | undefined;
let shownText: string;
let published: PublishRequest[];

function manifestOf(change: Partial<Manifest> = {}): Buffer {
  return manifestBytes({
    format: 1,
    workload: 'web',
    revision: 4,
    digest: sha256(SAFE),
    previous: null,
    previousMode: null,
    plan: defaultPlan('block'),
    features: [],
    issued: '2026-01-01T00:00:00.000Z',
    notAfter: '2026-04-01T00:00:00.000Z',
    onStale: 'keep',
    mode: 'block',
    ...change,
  });
}

function shows(manifest: Buffer, by: string[], change: Partial<ReleaseMessage> = {}): void {
  newest = {
    workload: 'web',
    revision: 4,
    digest: Buffer.from(sha256(SAFE), 'hex'),
    previous: Buffer.alloc(0),
    state: 'done',
    stage: 0,
    stageName: '',
    reason: '',
    stages: [],
    leftOut: [],
    since: 0,
    plan: JSON.stringify(defaultPlan('block')),
    manifest,
    signatures: by.map((name) => signManifest(manifest, authors.get(name)!)),
    ...change,
  };
}

const never = (): never => {
  throw new Error('nobody asks this');
};

const handlers: ServiceHandlers['Admin'] = {
  Publish: async (request) => {
    published.push(request);
    return await Promise.resolve(newest ?? never());
  },
  Rollout: never,
  async *Releases() {
    if (newest) yield await Promise.resolve(newest);
  },
  async *Hosts() {},
  SetHost: never,
  async *Workloads() {
    yield await Promise.resolve({ name: 'web', select: {}, order: 1, hosts: 0, revision: 4 });
  },
  SetWorkload: never,
  async *Aggregate() {
    yield await Promise.resolve({ it: 'hosts' as const, hosts: { counted: [], uncounted: [] } });
  },
  async *Evidence() {},
  // The digest is the hub's word too.
  Policy: async () =>
    await Promise.resolve({
      workload: 'web',
      revision: 4,
      digest: Buffer.from(sha256(SAFE), 'hex'),
      body: Buffer.from(shownText),
    }),
  async *Audit() {},
};

async function publish(...words: string[]): Promise<Outcome> {
  const args = ['fleet', 'publish', path('policy.yaml'), '--workload', 'web', '--operator', path('operator')];
  const env = { ...process.env, BOUHEKI_CONFIG: '/nonexistent' };
  return await new Promise((resolve) => {
    const child = execFile(process.execPath, [MAIN, ...args, ...words], { env }, (_, stdout, stderr) => {
      resolve({ status: child.exitCode, stdout, stderr });
    });
  });
}

const byAnna = ['--key', path('anna.key')];

before(async () => {
  for (const name of ['anna', 'ben', 'eve']) {
    const pem = newSigningKey();
    const key = createPrivateKey(pem);
    authors.set(name, key);
    writeFileSync(path(`${name}.key`), pem);
    const half = publicKeyOf(pem).toString('base64');
    writeFileSync(path(`${name}.pem`), `-----BEGIN PUBLIC KEY-----\n${half}\n-----END PUBLIC KEY-----\n`);
  }
  const now = Date.now();
  const authority = await makeAuthority('test', now);
  const key = newKey();
  const { certificate } = await issueHub(authority, ['127.0.0.1'], publicKeyOf(key), now);
  server = new WireServer({ connectionAge: 0, limits: LIMITS, onFault: console.error });
  server.serve('Admin', handlers);
  const tls = { certificate: pemOf([certificate]) + authority.certificate, key };
  const port = await server.listen(
    '127.0.0.1:0',
    new ReplaceableCredentials({ ...tls, clientTrust: authority.certificate }),
  );
  const subject = { uri: uriOf('bouheki', 'operator', 'anna'), publicKey: publicKeyOf(key), life: 3_600_000 };
  const operator = await issueClient(authority, subject, now);
  const shown = { trust: authority.certificate, certificate: pemOf([operator.certificate]), key };
  writeOperator(path('operator'), shown, `127.0.0.1:${port}`);
  writeFileSync(path('policy.yaml'), NEXT);
});
after(async () => {
  await server.stop(0);
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(() => {
  published = [];
  shownText = SAFE;
  newest = undefined;
});

async function isRefused(message: RegExp, ...words: string[]): Promise<void> {
  const { status, stderr } = await publish(...(words.length > 0 ? words : byAnna));
  assert.match(stderr, message);
  assert.equal(status, 2);
  assert.equal(published.length, 0, 'nothing was signed for the hub');
}

test('a release that no author has made has no author sign what it names', async () => {
  const invented = { previous: sha256(EVERYTHING), previousMode: 'block' as const };
  const message = /0 of the authors known here have signed the newest release of web, and 1 must have/;
  shows(manifestOf(invented), [], { state: 'rolled-back' });
  await isRefused(message);
  shows(manifestOf(invented), ['eve'], { state: 'rolled-back' });
  await isRefused(message);
  // Signatures of other bytes.
  const { signatures } = (shows(manifestOf(), ['anna']), newest!);
  shows(manifestOf(invented), [], { state: 'rolled-back', signatures });
  await isRefused(message);
});

test('the next revision and what it goes back to are by what was signed, whatever the hub says', async () => {
  shows(manifestOf(), ['anna'], {
    revision: 2 ** 53 - 2,
    digest: Buffer.from(sha256(EVERYTHING), 'hex'),
    previous: Buffer.from(sha256(EVERYTHING), 'hex'),
    plan: 'no plan',
  });
  // It is answered with what cannot be shown, but by then it was signed.
  await publish(...byAnna);
  const { previous, previousMode, revision } = readManifest(published[0]!.manifest)!;
  assert.deepEqual([revision, previous, previousMode], [5, sha256(SAFE), 'block']);
});

test('no revision is above what the engine can store', () => {
  assert.equal(readManifest(manifestOf({ revision: 2 ** 31 })), undefined);
  assert.equal(readManifest(manifestOf({ revision: 2 ** 31 - 1 }))?.revision, 2 ** 31 - 1);
});

test('a signed plan that this version cannot read ends it', async () => {
  shows(manifestOf({ plan: { stages: [{ hosts: 'most' }] } }), ['anna']);
  await isRefused(/has a form that this version does not know/);
});

test('a release of another workload is none of this one', async () => {
  shows(manifestOf({ workload: 'build' }), ['anna']);
  await isRefused(/the hub shows a release of build as one of web/);
});

test('a text that is not that of the policy is compared with nothing', async () => {
  shownText = NEXT;
  shows(manifestOf(), ['anna']);
  await isRefused(/the hub shows another text than that of the policy [0-9a-f]{12}/);
});

test('a release that others signed is known by their public keys', async () => {
  shows(manifestOf(), ['ben']);
  await isRefused(/0 of the authors known here/);
  const { status, stderr } = await publish(
    ...byAnna,
    '--author',
    path('eve.pem'),
    '--author',
    path('ben.pem'),
  );
  assert.equal(status, 0, stderr);
  published = [];
  await isRefused(/is no key of an author/, ...byAnna, '--author', path('policy.yaml'));
});

test('two that sign want two that have signed, unless they say otherwise', async () => {
  const both = [...byAnna, '--key', path('ben.key')];
  shows(manifestOf(), ['anna']);
  await isRefused(/1 of the authors known here have signed .*, and 2 must have/, ...both);
  assert.equal((await publish(...both, '--signed-by', '1')).status, 0);
  // The same key twice is one author.
  assert.equal((await publish(...byAnna, ...byAnna)).status, 0);
});
