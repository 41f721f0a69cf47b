import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { atEnd } from '../../at-end.ts';
import { type AgentHost, agentHost } from '../fixture/agent-host.ts';
import { postgresMissing } from '../fixture/postgres.ts';

const MAIN = join(import.meta.dirname, '../../../../bundle/main.js');
/** How long a stage may take, milliseconds: a hub that leads looks every few seconds. */
const PATIENCE = 240_000;
/** A hub that leads newly waits for so long before it goes on: signs of life come every 30 seconds. */
const LIMITS = { silent: '75s' };

function bouheki(...args: string[]): string {
  const { status, stderr, stdout } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });
  if (status === 2) throw new Error(`${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

/** A fleet of the commands themselves, a demo engine, and two hosts without a kernel. */
class Fleet {
  readonly place = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  readonly hosts: AgentHost[] = [];

  static async start(t: TestContext): Promise<Fleet> {
    const fleet = new Fleet();
    // PostgreSQL runs as another user.
    chmodSync(fleet.place, 0o711);
    atEnd(t, () => rmSync(fleet.place, { recursive: true, force: true }));
    await fleet.#startHub(t);
    bouheki('fleet', 'workload', 'set', 'web', '--select', 'role=web', ...fleet.operator);
    const token = bouheki('hub', 'token', ...fleet.store, '--label', 'role=web', '--uses', '2');
    writeFileSync(fleet.at('token'), token);
    for (const name of ['web-1', 'web-2']) {
      bouheki('join', '--token-file', fleet.at('token'), '--dir', fleet.at(name), '--name', name);
      const host = await agentHost(t);
      fleet.hosts.push(host);
      host.start({ directory: fleet.at(name) });
    }
    return fleet;
  }

  at(name: string): string {
    return join(this.place, name);
  }

  get operator(): string[] {
    return ['--operator', this.at('operator')];
  }

  get store(): string[] {
    return ['--dir', this.at('hub'), '--demo', this.at('demo')];
  }

  /** Publishes in stages, and returns how that ended. */
  async publish(text: string, stages: object[]): Promise<{ state: string; reason: string }> {
    writeFileSync(this.at('policy.yaml'), text);
    writeFileSync(this.at('plan.json'), JSON.stringify({ stages, limits: LIMITS }));
    const asked = [
      '--workload',
      'web',
      '--key',
      this.at('author.key'),
      '--mode',
      'block',
      '--plan',
      this.at('plan.json'),
    ];
    bouheki('fleet', 'publish', this.at('policy.yaml'), ...asked, ...this.operator);
    const deadline = performance.now() + PATIENCE;
    for (;;) {
      const text = bouheki('fleet', 'rollout', 'status', 'web', '--json', ...this.operator);
      const release = JSON.parse(text) as { state: string; reason: string };
      if (['done', 'rolled-back', 'paused'].includes(release.state)) return release;
      const said = this.hosts.map(({ said: all }) => all.join('')).join('\n');
      if (performance.now() > deadline) throw new Error(`${text}\n${said}`);
      await sleep(1000);
    }
  }

  async #startHub(t: TestContext): Promise<void> {
    const ports = [await freePort(), await freePort()].map(String) as [string, string];
    const dir = this.at('hub');
    bouheki(
      'hub',
      'init',
      '--dir',
      dir,
      '--name',
      '127.0.0.1',
      '--port',
      ports[0],
      '--enroll-port',
      ports[1],
    );
    mkdirSync(join(dir, 'authors'), { recursive: true });
    writeFileSync(join(dir, 'authors/author.pem'), bouheki('fleet', 'author-key', this.at('author.key')));
    bouheki('hub', 'operator', 'anna', '--dir', dir, '--into', this.at('operator'));
    const listen = ['--listen', `127.0.0.1:${ports[0]}`, '--enroll-listen', `127.0.0.1:${ports[1]}`];
    const hub = spawn(process.execPath, [MAIN, 'hub', 'run', ...this.store, ...listen], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const ended = new Promise((resolve) => hub.once('exit', resolve));
    atEnd(t, async () => {
      hub.kill('SIGTERM');
      await ended;
    });
    let said = '';
    for await (const part of hub.stderr.iterator({ destroyOnReturn: false })) {
      said += String(part);
      if (said.includes('The hub listens at ')) break;
    }
    hub.stderr.resume();
    assert.match(said, /The hub listens at /);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const policyFor = (...cidrs: string[]): string =>
  `version: 2\nnetwork:\n  mode: block\n  target: host\n  allow:\n    - to:\n        - cidr: [${cidrs.join(', ')}]\n`;

test(
  'a release goes from a canary that monitors to all, and one that cuts hosts off goes back',
  { skip: postgresMissing },
  async (t) => {
    const fleet = await Fleet.start(t);
    const stages = [
      { name: 'monitor canary', hosts: '50%', mode: 'monitor', soak: '1s' },
      { name: 'block canary', hosts: '50%', mode: 'block', soak: '1s' },
      { name: 'all', hosts: 'all', mode: 'block', soak: '1s' },
    ];
    const first = await fleet.publish(policyFor('192.0.2.0/24', '127.0.0.0/8'), stages);
    assert.equal(first.state, 'done', first.reason);
    const modes = fleet.hosts.map(({ enforcer }) => enforcer.status);
    assert.deepEqual(
      modes.map(({ confirmBy, mode }) => [mode, confirmBy]),
      [
        ['block', undefined],
        ['block', undefined],
      ],
    );
    const [hash] = modes.map(({ policyHash }) => policyHash);
    const second = await fleet.publish(policyFor('192.0.2.0/24'), stages.slice(2));
    assert.equal(second.state, 'rolled-back', second.reason);
    assert.match(second.reason, /refused/);
    assert.ok(fleet.hosts.every(({ enforcer }) => enforcer.status.policyHash === hash));
    assert.ok(fleet.hosts.some(({ said }) => said.join('').includes('(cut-off)')));
  },
);
