import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { HubLink } from '../../../../fleet/agent/hub-link.ts';
import { Watch } from '../../../../fleet/agent/watch.ts';
import type { ClientTls } from '../../../../fleet/wire/client.ts';
import { NO_COUNTERS } from '../fixture/agent-state.ts';
import { until } from '../fixture/hub.ts';
import { HubProcess } from '../fixture/hub-process.ts';
import { manyHosts } from '../fixture/many-hosts.ts';
import { postgresMissing } from '../fixture/postgres.ts';
import { reportingFleet } from '../fixture/reporter.ts';

const AGENTS = 1000;
/** Milliseconds. */
const WITHIN = 120_000;
const made = reportingFleet();

/** The stream of an agent, as a real one keeps it, with what it says. */
class Member {
  readonly said: string[] = [];
  readonly #stop = new AbortController();
  readonly #watch: Watch;
  readonly #run: Promise<void>;

  constructor(hostId: string, hub: string, tls: ClientTls) {
    const nothing = Buffer.alloc(0);
    const keys = { authorKeys: [], authorThreshold: 1, hubKey: nothing };
    const { certificate, key, trust } = tls;
    const identity = { hostId, enroll: [], hub: [hub], ...keys, key: key!, certificate: certificate!, trust };
    const link = new HubLink(identity, 0);
    this.#watch = new Watch({
      hub: () => link.hub,
      failed: (failed) => link.fail(failed),
      state: async () => await Promise.resolve(STATE),
      take: () => undefined,
      shutOut: async () => await Promise.reject(new Error('shut out')),
      say: (text) => this.said.push(text),
      signal: this.#stop.signal,
    });
    this.#run = this.#watch.run();
  }

  get connected(): boolean {
    return this.#watch.connected;
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#run;
  }
}

const STATE = {
  agentVersion: '1',
  features: [],
  inForce: null,
  counters: NO_COUNTERS,
  trustBundleHashes: [],
};

test(
  'a thousand agents are back within two minutes after their hub was killed, and none is turned away',
  { skip: postgresMissing },
  async (t) => {
    const hub = await HubProcess.start(made);
    after(() => void hub.child.kill('SIGKILL'));
    const hosts = await manyHosts(made, 'herd', AGENTS);
    const members = hosts.map(({ id, tls }) => new Member(id, hub.address, tls));
    after(async () => await Promise.all(members.map((member) => member.end())));
    const all = () => members.every(({ connected }) => connected);
    await until(all, 'a thousand streams', 2 * WITHIN);
    for (let round = 0; round < 3; round += 1) {
      await hub.kill();
      await until(() => !members.some(({ connected }) => connected), 'the end of all streams', WITHIN);
      for (const { said } of members) said.length = 0;
      await hub.restart();
      const began = performance.now();
      await until(all, 'a thousand streams again', WITHIN);
      t.diagnostic(`all back after ${Math.round((performance.now() - began) / 1000)} s`);
      const said = members.flatMap((member) => member.said);
      assert.deepEqual(
        said.filter((text) => /takes no more/.test(text)),
        [],
      );
      assert.equal(said.filter((text) => /is there again/.test(text)).length, AGENTS);
    }
  },
);
