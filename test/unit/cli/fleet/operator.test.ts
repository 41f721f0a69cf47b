/** What operators do, by the real command: with a real engine, a real hub, and agents that are simulated. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Engine } from '../../../../fleet/engine/engine.ts';
import { openEngine } from '../../../../fleet/engine/open.ts';
import type { Identity, Offer } from '../../../../fleet/wire/message.ts';
import { verifyOffer } from '../../../../fleet/wire/verify-offer.ts';
import type { Outcome } from '../fixture.ts';
import { batchOf, rowOf } from '../../fleet/fixture/evidence.ts';
import { joinAs, makeTestHub, removeTestHub, TestAgent, TestHub, until } from '../../fleet/fixture/hub.ts';
import { writeOperator } from '../../fleet/fixture/operator.ts';
import { postgresMissing, startPostgres, type TestServer } from '../../fleet/fixture/postgres.ts';

const MAIN = join(import.meta.dirname, '../../../../bundle/main.js');
const options = { skip: postgresMissing };
const directory = mkdtempSync(join(tmpdir(), 'bouheki-operator-'));
const path = (name: string): string => join(directory, name);

const FIRST = `version: 2
network:
  mode: block
  target: host
  allow:
    - name: inside
      to:
        - cidr: [10.0.0.0/8]
`;
const WIDER = FIRST.replace('10.0.0.0/8', '10.0.0.0/8, 192.0.2.0/24');
const FOR_USERS = FIRST.replace('      to:', '      from: { user: [www-data] }\n      to:');
const PLAN = `stages:
  - { name: canary, hosts: 1%, mode: monitor, soak: 0s }
  - { name: all, hosts: all, soak: 0s }
limits: { silent: 3s, deadline: 20s }
`;

let server: TestServer;
let engine: Engine;
let hub: TestHub;
const stops: (() => void)[] = [];

/** `bouheki fleet ...` with the operator's directory. */
function fleet(...words: string[]): Promise<Outcome> {
  const args = words[0] === 'author-key' ? words : [...words, '--operator', path('operator')];
  const env = { ...process.env, BOUHEKI_CONFIG: '/nonexistent' };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [MAIN, 'fleet', ...args], { env }, (_, stdout, stderr) => {
      resolve({ status: child.exitCode, stdout, stderr });
    });
  });
}

async function publish(text: string, ...words: string[]): Promise<Outcome> {
  writeFileSync(path('policy.yaml'), text);
  const given = ['--workload', 'web', '--key', path('anna.key'), '--plan', path('plan.yaml')];
  return await fleet('publish', path('policy.yaml'), ...given, ...words);
}

/** An agent that checks each offer as a real one does, and takes it or refuses it. */
class Taker {
  readonly agent: TestAgent;
  readonly #identity: Identity;
  readonly #bodies = new Map<string, Buffer>();
  readonly #features: string[];
  refuses = false;
  /** What was wrong with offers, besides what it was asked to refuse. */
  readonly faults: string[] = [];

  constructor(agent: TestAgent, identity: Identity, features: string[]) {
    this.agent = agent;
    this.#identity = identity;
    this.#features = features;
    let taken = 0;
    agent.say({ features });
    const timer = setInterval(() => {
      const offers = agent.all('offer');
      if (taken === offers.length) agent.say({ features });
      for (; taken < offers.length; taken++) this.#take(offers[taken]!);
    }, 100);
    stops.push(() => {
      clearInterval(timer);
      agent.close();
    });
  }

  #take(offer: Offer): void {
    const { authorKeys, authorThreshold, hostId, hubKey } = this.#identity;
    const verdict = verifyOffer(offer, {
      authorKeys,
      authorThreshold,
      hubKey,
      host: hostId,
      workload: 'web',
      highest: undefined,
      features: this.#features,
      policyBytes: 1e6,
      now: Date.now(),
      stored: (digest) => this.#bodies.get(digest),
    });
    const refused = 'refused' in verdict ? verdict.refused : undefined;
    if (refused) this.faults.push(refused.message);
    const isNew = !('refused' in verdict) && verdict.placement.digest === verdict.manifest.digest;
    if ('refused' in verdict || (this.refuses && isNew)) {
      const refusal = refused ?? { code: 'policy' as const, message: 'no such user' };
      this.agent.say({
        nonce: offer.nonce,
        features: this.#features,
        refusal: { ...refusal, line: 5, column: 7 },
      });
      return;
    }
    const { body, manifest, placement } = verdict;
    this.#bodies.set(placement.digest, body);
    this.agent.inForce = {
      workload: manifest.workload,
      revision: manifest.revision,
      digest: Buffer.from(placement.digest, 'hex'),
      mode: placement.mode,
      confirmed: true,
      fallback: false,
      stale: false,
    };
    this.agent.say({ nonce: offer.nonce, features: this.#features });
  }
}

const takers: Taker[] = [];

before(async () => {
  if (postgresMissing) return;
  const files = await makeTestHub();
  mkdirSync(join(files, 'authors'), { recursive: true });
  const { stdout } = await fleet('author-key', path('anna.key'));
  writeFileSync(join(files, 'authors/anna.pem'), stdout);
  writeFileSync(path('plan.yaml'), PLAN);
  server = await startPostgres();
  engine = await openEngine([server.url]);
  hub = await TestHub.start(engine, files);
  writeOperator(path('operator'), await hub.operator(), hub.address);
});
after(async () => {
  for (const stop of stops) stop();
  rmSync(directory, { recursive: true, force: true });
  if (postgresMissing) return;
  await hub.hub.stop();
  await engine.close();
  await server.remove();
  removeTestHub(hub.directory);
});

async function stateOf(): Promise<string> {
  return (await engine.releases('web'))[0]?.state ?? 'none';
}

test('a key of an author is made once, for its owner alone', options, async () => {
  assert.equal(statSync(path('anna.key')).mode & 0o777, 0o600);
  const before = readFileSync(path('anna.key'), 'utf8');
  const again = await fleet('author-key', path('anna.key'));
  assert.equal(again.status, 0);
  assert.match(again.stdout, /BEGIN PUBLIC KEY/);
  assert.equal(readFileSync(path('anna.key'), 'utf8'), before);
  writeFileSync(path('other'), 'no key');
  assert.match((await fleet('author-key', path('other'))).stderr, /is no key of an author/);
});

test('a workload selects hosts by labels', options, async () => {
  assert.match(
    (await fleet('publish', path('plan.yaml'), '--workload', 'web', '--key', path('anna.key'))).stderr,
    /is no valid policy/,
  );
  assert.match((await publish(FIRST)).stderr, /there is no workload web/);
  for (const words of [
    ['drift', '--workload'],
    ['hosts', '--workload'],
    ['rollout', 'status'],
  ]) {
    const { status, stderr } = await fleet(...words, 'web');
    assert.equal(status, 2, words.join(' '));
    assert.match(stderr, /there is no workload web/, words.join(' '));
  }
  assert.equal((await fleet('workload', 'set', 'web', '--select', 'role=web')).status, 0);
  for (const name of ['web-1', 'web-2']) {
    const { identity, tls } = await joinAs(await hub.token({ role: 'web' }), name);
    takers.push(new Taker(new TestAgent(hub.address, tls), identity, ['enforce', 'host']));
  }
  await until(
    async () => (await engine.hosts('web')).filter(({ features }) => features.length > 0).length === 2,
    'hosts',
  );
  const { stdout } = await fleet('workload', 'list');
  assert.match(stdout, /web +100 +role=web +2 +-/);
});

test('what agents do not know is not published', options, async () => {
  const outcome = await publish(FOR_USERS);
  assert.equal(outcome.status, 2);
  assert.match(
    outcome.stderr,
    /the agents of 2 hosts do not know all of the policy\n.*\nweb-1: user\nweb-2: user/,
  );
});

test('a policy goes to a canary and then to all, and is compared with the next', options, async () => {
  const dry = await publish(FIRST, '--dry-run');
  assert.equal(dry.status, 0);
  assert.match(dry.stderr, /web: 2 active hosts, and no policy yet\.\n/);
  assert.equal(await stateOf(), 'none');
  const outcome = await publish(FIRST);
  assert.equal(outcome.status, 0, outcome.stderr);
  assert.match(outcome.stdout, /release 1 of web: running, stage 1 of 2/);
  await until(async () => (await stateOf()) === 'done', 'end of the roll-out', 120_000);
  assert.deepEqual(
    takers.map(({ agent }) => agent.inForce.mode),
    ['block', 'block'],
  );
  assert.deepEqual(
    takers.flatMap(({ faults }) => faults),
    [],
  );
  const next = await publish(WIDER, '--dry-run');
  assert.match(next.stderr, /\+ .*192\.0\.2\.0\/24/);
  const status = await fleet('rollout', 'status', 'web', '--json');
  assert.equal(status.status, 0);
  assert.equal((JSON.parse(status.stdout) as { state: string }).state, 'done');
  const all = await fleet('status');
  assert.equal(all.status, 0, all.stdout);
  assert.match(all.stdout, /web: 2 hosts, release 1 done, held by 2/);
});

test('a host that refuses a policy has all go back, and people see why', options, async () => {
  for (const taker of takers) taker.refuses = true;
  assert.equal((await publish(WIDER)).status, 0);
  await until(async () => (await stateOf()) === 'rolled-back', 'end of the roll-back', 120_000);
  const status = await fleet('rollout', 'status', 'web');
  assert.equal(status.status, 1);
  assert.match(status.stdout, /1 host refused it \(web-\d\): policy: 5:7: no such user/);
  const all = await fleet('status', '--json');
  assert.equal(all.status, 1);
  const { workloads } = JSON.parse(all.stdout) as { workloads: { findings: string[] }[] };
  assert.match(workloads[0]!.findings[0]!, /^release 2 is rolled-back: 1 host refused it/);
  assert.deepEqual(
    takers.map(({ agent }) => agent.inForce.mode),
    ['block', 'block'],
  );
});

test('a roll-out is paused, resumed and aborted', options, async () => {
  for (const taker of takers) taker.refuses = false;
  writeFileSync(path('plan.yaml'), PLAN.replace('monitor, soak: 0s', 'monitor, soak: 1h'));
  assert.match((await publish(WIDER)).stdout, /release 3 of web/);
  await until(async () => (await engine.hosts('web')).some(({ revision }) => revision === 3), 'canary');
  const paused = await fleet('rollout', 'pause', 'web', '--reason', 'release day');
  assert.match(paused.stdout, /release 3 of web: paused, stage 1 of 2\n {2}release day/);
  assert.equal((await fleet('rollout', 'pause', 'web')).status, 2);
  assert.match((await fleet('rollout', 'resume', 'web')).stdout, /running/);
  assert.equal((await fleet('rollout', 'abort', 'web', '--reason', 'no')).status, 0);
  await until(async () => (await stateOf()) === 'rolled-back', 'end of the roll-back', 120_000);
  assert.deepEqual(
    takers.map(({ agent }) => agent.inForce.mode),
    ['block', 'block'],
  );
});

test('a host that takes no policies is left out of roll-outs, which is shown', options, async () => {
  const { identity, tls } = await joinAs(await hub.token({ role: 'web' }), 'web-3');
  const learner = new TestAgent(hub.address, tls);
  learner.say({ features: ['host'] });
  await until(async () => (await engine.host(identity.hostId))!.lastSeen > 0, 'sign of life');
  writeFileSync(path('plan.yaml'), PLAN);
  const outcome = await publish(FIRST);
  assert.match(outcome.stderr, /left out: web-3 \(learn, or enforce a policy of their own\)/);
  await until(async () => (await stateOf()) === 'done', 'end of the roll-out', 120_000);
  const { status, stdout } = await fleet('rollout', 'status', 'web');
  assert.equal(status, 0);
  assert.match(stdout, /hosts: 1 left-out, 2 confirmed\n {2}left out: web-3 \(learn/);
  const all = await fleet('status');
  assert.equal(all.status, 0, all.stdout);
  assert.match(all.stdout, /held by 2\n {4}left out: web-3 \(learn/);
  assert.deepEqual(learner.all('offer'), []);
  // What it says of itself is asked at every moment: it takes policies now.
  learner.say({ features: ['enforce', 'host'] });
  assert.equal((await learner.next('offer')).body.toString(), FIRST);
  learner.close();
  await engine.setHostState(identity.hostId, 'revoked');
});

test('a policy that would deny what hosts did is not published', options, async () => {
  const client = takers[0]!.agent.client;
  const last = Date.now() * 1000 - 1e6;
  const rows = [rowOf({ last }), rowOf({ last, address: Buffer.from([198, 51, 100, 1]) })];
  const { rows: taken } = await client.call('Fleet/Report', batchOf(rows, { clock: Date.now() }));
  assert.equal(taken, 2);
  const refused = await publish(WIDER);
  assert.equal(refused.status, 2);
  assert.match(refused.stderr, /what 2 hosts showed in 14d: 1 would be denied/);
  assert.match(refused.stderr, / {2}web-1: 1\n {4}\/usr\/bin\/curl -> 198\.51\.100\.1:443 tcp/);
  assert.match(refused.stderr, /the policy would deny 1 of what hosts of web did/);
  assert.equal((await publish(WIDER, '--max-would-deny', '1', '--dry-run')).status, 0);
  // One host alone has shown something.
  const unknown = await publish(WIDER, '--max-would-deny', '1', '--max-host-holdout', '0.5', '--dry-run');
  assert.equal(unknown.status, 2);
  assert.match(unknown.stderr, /the host hold-out is 100 %, and at most 50 % is asked for/);
});

test(
  'hosts are listed, quarantined and revoked, and all that was done is in the audit',
  options,
  async () => {
    assert.match(
      (await fleet('quarantine', 'web-1', '--reason', 'odd')).stderr,
      /web-1 \([0-9a-f-]+\) is quarantined/,
    );
    const { stdout } = await fleet('hosts', '--json');
    const { hosts } = JSON.parse(stdout) as { hosts: { name: string; state: string }[] };
    assert.deepEqual(
      hosts.map(({ name, state }) => [name, state]),
      [
        ['web-1', 'quarantined'],
        ['web-2', 'active'],
        ['web-3', 'revoked'],
      ],
    );
    assert.match((await fleet('status')).stdout, /! is in quarantine: 1 host \(web-1\)/);
    assert.match((await fleet('restore', 'web-1')).stderr, /is active/);
    assert.match((await fleet('hosts')).stdout, /web-1 +web +active/);
    assert.match((await fleet('revoke', 'web-2')).stderr, /is revoked/);
    const { stdout: audit } = await fleet('audit');
    for (const what of [
      /workload web/,
      /publish web 1/,
      /pause web 3 release day/,
      /quarantine .*odd/,
      /revoke/,
    ]) {
      assert.match(audit, what);
    }
  },
);

test(
  'a key that no hub knows publishes nothing, nor does a directory without a certificate',
  options,
  async () => {
    await fleet('author-key', path('eve.key'));
    const both = ['--key', path('eve.key'), '--max-would-deny', '1'];
    assert.match((await publish(WIDER, ...both)).stderr, /1 of the authors known here have signed/);
    const outcome = await publish(WIDER, ...both, '--signed-by', '1');
    assert.equal(outcome.status, 0, 'one author of two is enough');
    writeFileSync(path('policy.yaml'), WIDER);
    const given = ['--workload', 'web', ...both, '--author', path('anna.key')];
    const refused = await fleet('publish', path('policy.yaml'), ...given);
    assert.match(refused.stderr, /0 of the 1 authors needed have signed/);
    rmSync(path('operator/operator.pem'));
    assert.match((await fleet('status')).stderr, /is no directory of an operator/);
  },
);

test('each fault of a plan is shown with its place', options, async () => {
  writeFileSync(path('plan.yaml'), 'stages:\n  - { hosts: 3%, wait: 1 }\n  - { hosts: most }\n');
  const { status, stderr } = await publish(FIRST);
  assert.equal(status, 2);
  assert.match(stderr, /plan\.yaml:2:\d+.*unknown key wait/s);
  assert.match(stderr, /plan\.yaml:3:\d+.*hosts has to be a share/s);
});
