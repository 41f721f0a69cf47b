import { BouhekiError } from '../../error/error.ts';
import type { Engine, HostRow, PlacementRow, ReleaseRow } from '../engine/engine.ts';
import { admit, releaseMessage } from '../release/admit.ts';
import { commandChange } from '../release/command.ts';
import { manifestOf, memoryOf } from '../release/memory.ts';
import { provenPolicy } from '../release/wanted.ts';
import type {
  AggregateMessage,
  AggregateRequest,
  HostCommand,
  HostMessage,
  HostState,
  PolicyText,
  PublishRequest,
  ReleaseMessage,
  RolloutCommand,
  WorkloadMessage,
  WorkloadQuery,
} from '../wire/message.ts';
import { readManifest } from '../wire/manifest.ts';
import type { Peer, ServiceHandlers } from '../wire/server.ts';
import { isWorkloadName } from '../wire/workload.ts';
import type { Admission } from './admission.ts';
import type { HubFiles } from './files.ts';

export interface AdminParts {
  engine: Engine;
  admission: Admission;
  files: () => HubFiles;
  policyBytes: number;
  now: () => number;
  /** Called when a host was revoked. */
  onRevoked: (hostId: string) => void;
}

const STATES: Record<HostCommand['action'], HostState> = {
  quarantine: 'quarantined',
  restore: 'active',
  revoke: 'revoked',
};

/** What operators ask. Each call is by the certificate of one, and what changes something is in the audit. */
export class Admin {
  readonly #parts: AdminParts;

  constructor(parts: AdminParts) {
    this.#parts = parts;
  }

  get handlers(): ServiceHandlers['Admin'] {
    const who = (peer: Peer): string => this.#parts.admission.operator(peer);
    const { engine } = this.#parts;
    return {
      Publish: async (request, peer) => await this.#publish(request, who(peer)),
      Rollout: async (command, peer) => await this.#rollout(command, who(peer)),
      Releases: (query, peer) => (who(peer), this.#releases(query)),
      Hosts: (query, peer) => (who(peer), this.#hosts(query)),
      SetHost: async (command, peer) => await this.#setHost(command, who(peer)),
      Workloads: (query, peer) => (who(peer), this.#workloads(query)),
      SetWorkload: async (workload, peer) => await this.#setWorkload(workload, who(peer)),
      Aggregate: (request, peer) => (who(peer), this.#aggregate(request)),
      Evidence: async function* evidence(query, peer) {
        who(peer);
        for await (const part of engine.evidence(query)) yield* part;
      },
      Policy: async (query, peer) => (who(peer), await this.#policy(query)),
      Audit: async function* audit({ most, since }, peer) {
        who(peer);
        yield* await engine.audited(since, Math.min(most || 1000, 100_000));
      },
    };
  }

  async #audit(who: string, what: string): Promise<void> {
    await this.#parts.engine.audit(`operator ${who}`, what.slice(0, 1000), this.#parts.now());
  }

  async #newest(workload: string): Promise<ReleaseRow | undefined> {
    return (await this.#parts.engine.releases(workload))[0];
  }

  async #message(release: ReleaseRow): Promise<ReleaseMessage> {
    const { engine } = this.#parts;
    const [placements, hosts] = await Promise.all([
      engine.placements(release.id),
      engine.hosts(release.workload),
    ]);
    return releaseMessage(release, placements, hosts);
  }

  async #publish(request: PublishRequest, who: string): Promise<ReleaseMessage> {
    const { engine, files, now, policyBytes } = this.#parts;
    const { authorKeys, config } = files();
    const surroundings = { authorKeys, authorThreshold: config.authorThreshold, policyBytes, now: now() };
    const workload = readManifest(request.manifest)?.workload;
    const newest = workload === undefined ? undefined : await this.#newest(workload);
    const admitted = admit(request, { ...surroundings, newest });
    if ('fault' in admitted) throw refusal(admitted.fault);
    await this.#requireWorkload(admitted.workload);
    const release = await engine.publish(admitted, request.body, now());
    if (release === undefined) throw refusal('a newer release of this workload was published meanwhile');
    await this.#audit(
      who,
      `publish ${release.workload} ${release.revision} ${release.digest.toString('hex')}`,
    );
    return await this.#message(release);
  }

  async #rollout({ action, reason, workload }: RolloutCommand, who: string): Promise<ReleaseMessage> {
    const { engine, now } = this.#parts;
    const release = await this.#newest(workload);
    if (release === undefined) throw await this.#unpublished(workload);
    if (action === 'status') return await this.#message(release);
    const change = ACTIONS.has(action)
      ? commandChange(release, action, reason.slice(0, 1000), now())
      : undefined;
    if (change === undefined) throw refusal(`a roll-out that is ${release.state} cannot ${action}`);
    if (!(await engine.advance(release, change, []))) {
      throw refusal('the roll-out has gone on meanwhile: look again');
    }
    await this.#audit(who, `${action} ${workload} ${release.revision} ${reason}`);
    return await this.#message({ ...release, ...change });
  }

  async *#releases({ workload }: WorkloadQuery): AsyncGenerator<ReleaseMessage> {
    for (const release of await this.#parts.engine.releases(workload || undefined)) {
      yield await this.#message(release);
    }
  }

  async *#hosts({ workload }: WorkloadQuery): AsyncGenerator<HostMessage> {
    const { engine } = this.#parts;
    if (workload !== '') await this.#requireWorkload(workload);
    const [hosts, releases] = await Promise.all([
      engine.hosts(workload || undefined),
      engine.releases(workload || undefined),
    ]);
    const placements = new Map<string, PlacementRow>();
    for (const { id } of releases) {
      for (const placement of await engine.placements(id)) placements.set(placement.host, placement);
    }
    for (const host of hosts) yield hostMessage(host, placements.get(host.id));
  }

  async #setHost({ action, host: named, reason }: HostCommand, who: string): Promise<HostMessage> {
    const { engine, onRevoked } = this.#parts;
    const state = Object.hasOwn(STATES, action) ? STATES[action] : undefined;
    if (state === undefined) throw refusal(`nothing is known that is called ${action}`);
    const host = await this.#find(named);
    if (host.state === 'revoked' && state !== 'revoked') {
      throw refusal(`${host.name} was revoked, which is for good: it can join again as another host`);
    }
    await engine.setHostState(host.id, state);
    if (action === 'restore') await engine.setClone(host.id, false);
    await this.#audit(who, `${action} ${host.id} ${host.name} ${reason}`);
    if (state === 'revoked') onRevoked(host.id);
    return hostMessage({ ...host, state, clone: action === 'restore' ? false : host.clone }, undefined);
  }

  async #find(named: string): Promise<HostRow> {
    const { engine } = this.#parts;
    const hosts = UUID.test(named) ? [await engine.host(named)] : await engine.hostsNamed(named);
    const [host] = hosts;
    if (host === undefined) throw refusal(`there is no host ${named}`);
    if (hosts.length > 1) throw refusal(`${hosts.length} hosts are called ${named}: use the id of one`);
    return host;
  }

  /** A name that was mistyped is not taken for a workload without hosts. */
  async #requireWorkload(workload: string): Promise<void> {
    const workloads = await this.#parts.engine.workloads();
    if (!workloads.some(({ name }) => name === workload)) throw refusal(`there is no workload ${workload}`);
  }

  async #unpublished(workload: string): Promise<Error> {
    await this.#requireWorkload(workload);
    return refusal(`nothing was published for ${workload}`);
  }

  async *#workloads({ workload }: WorkloadQuery): AsyncGenerator<WorkloadMessage> {
    const { engine } = this.#parts;
    const [workloads, hosts, releases] = await Promise.all([
      engine.workloads(),
      engine.hosts(),
      engine.releases(),
    ]);
    for (const each of workloads) {
      if (workload !== '' && each.name !== workload) continue;
      yield {
        ...each,
        hosts: hosts.filter((host) => host.workload === each.name).length,
        revision: releases.find((release) => release.workload === each.name)?.revision ?? 0,
      };
    }
  }

  async #setWorkload(workload: WorkloadMessage, who: string): Promise<WorkloadMessage> {
    const { name, order, select } = workload;
    if (!isWorkloadName(name)) throw refusal('a workload has a name of letters and digits');
    await this.#parts.engine.setWorkload({ name, select, order });
    await this.#audit(who, `workload ${name} ${order} ${JSON.stringify(select)}`);
    for await (const each of this.#workloads({ workload: name })) return each;
    return workload;
  }

  async *#aggregate({
    leastRecordedHours,
    since,
    until,
    workload,
  }: AggregateRequest): AsyncGenerator<AggregateMessage> {
    const { engine, now } = this.#parts;
    await this.#requireWorkload(workload);
    const { hosts, rows } = await engine.aggregate(workload, { since, until, leastRecordedHours }, now());
    yield { it: 'hosts', hosts };
    for await (const part of rows) for (const row of part) yield { it: 'row', row };
  }

  /** The policy that the workload holds well, or the first one while it goes out. */
  async #policy({ workload }: WorkloadQuery): Promise<PolicyText> {
    const release = await this.#newest(workload);
    if (release === undefined) throw await this.#unpublished(workload);
    const { revision, state } = release;
    const held = provenPolicy({ state, manifest: manifestOf(release) }, memoryOf(release).plan);
    const digest = held === undefined ? release.digest : Buffer.from(held.digest, 'hex');
    const body = await this.#parts.engine.body(digest);
    if (body === undefined) throw refusal(`the policy of ${workload} is not in the engine`);
    return { workload, revision, digest, body };
  }
}

const ACTIONS: ReadonlySet<string> = new Set(['pause', 'resume', 'abort']);
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function refusal(message: string): BouhekiError {
  return new BouhekiError('fleet', message);
}

function hostMessage(host: HostRow, placement: PlacementRow | undefined): HostMessage {
  const { agentVersion, certificateEnds, clone, enrolled, id, labels, lastSeen, name, skew, state } = host;
  const { digest, fallback, features, lost, mode, revision, stale, unsentRows, workload = '' } = host;
  return {
    id,
    name,
    labels,
    workload,
    state,
    clone,
    enrolled,
    lastSeen,
    agentVersion,
    skew,
    revision,
    digest,
    mode,
    stale,
    fallback,
    lost,
    unsentRows,
    certificateEnds,
    features,
    placement: placement === undefined || placement.stage < 0 ? '' : placement.state,
    refusal: placement?.error ?? '',
  };
}
