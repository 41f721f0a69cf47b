import type { AuditRow } from '../wire/message.ts';
import { weekOf } from '../wire/week.ts';
import { Leader } from './connection/leader.ts';
import { Listener } from './connection/listener.ts';
import { Primary } from './connection/primary.ts';
import { migrate } from './connection/schema.ts';
import { storable } from './connection/storable.ts';
import type { Engine } from './engine.ts';
import { aggregate } from './evidence/aggregate.ts';
import { denialsOf } from './evidence/denial.ts';
import { weekEvidence } from './evidence/week-evidence.ts';
import { mergeBatches } from './evidence/merge.ts';
import { dropWeeksBefore, makeWeeks } from './evidence/week-table.ts';
import { HostStore } from './host-store.ts';
import { ReleaseStore } from './release-store.ts';

export interface EngineOptions {
  /** Weeks of evidence before this one; older rows are refused. */
  weeks?: number;
  /** Of a host and week; more rows are refused. */
  keys?: number;
  /** And so many more of what was denied: what is allowed takes no place of these. */
  deniedKeys?: number;
}

const WEEKS = 8;
const KEYS = 50_000;
const DENIED_KEYS = 10_000;

/**
 * The engine at the first of these addresses (`postgres://USER@HOST/DATABASE`) that is a primary, with its schema brought to
 * this version.
 * @throws BouhekiError `fleet-away` where none is, `fleet` where one refuses, or has a newer schema
 */
export async function openEngine(urls: readonly string[], options: EngineOptions = {}): Promise<Engine> {
  const { weeks = WEEKS, keys = KEYS, deniedKeys = DENIED_KEYS } = options;
  const primary = new Primary(urls);
  try {
    await migrate(primary);
  } catch (error) {
    await primary.close();
    throw error;
  }
  const hosts = new HostStore(primary);
  const releases = new ReleaseStore(primary);
  const leader = new Leader(primary);
  const listeners: Listener[] = [];
  return {
    ...storesOf(hosts, releases),
    timeline: () => timelineOf(primary),
    async close() {
      await Promise.all([leader.close(), ...listeners.map((listener) => listener.close())]);
      await primary.close();
    },
    merge: (batches, now) => mergeBatches(primary, batches, { weeks, keys, deniedKeys }, now),
    aggregate: (workload, window, now) => aggregate(primary, workload, window, weekOf(now * 1000) - weeks),
    evidence: (query) => primary.read((client) => weekEvidence(client, query)),
    denials: (release) => denialsOf(primary, release, keys + deniedKeys),
    audit: (who, what, now) => addAudit(primary, { time: now, who, what }),
    audited: (since, most) => auditOf(primary, since, most),
    async onPublished(changed) {
      const listener = new Listener(primary, changed);
      await listener.open();
      listeners.push(listener);
    },
    lead: () => leader.lead(),
    async keepWeeks(kept, now) {
      const week = weekOf(now * 1000);
      await primary.use((client) => makeWeeks(client, [week, week + 1]));
      await dropWeeksBefore(primary, week - kept);
    },
  };
}

function storesOf(hosts: HostStore, releases: ReleaseStore) {
  return {
    addToken: (token) => hosts.addToken(token),
    enrol: (tokenHash, host, now) => hosts.enrol(tokenHash, host, now),
    issued: (host, serial, ends) => hosts.issued(host, serial, ends),
    used: (host) => hosts.used(host),
    host: (id) => hosts.host(id),
    hosts: (workload) => hosts.hosts(workload),
    hostsNamed: (name) => hosts.hostsNamed(name),
    setHostState: (id, state) => hosts.setHostState(id, state),
    setClone: (id, clone) => hosts.setClone(id, clone),
    sighted: (sightings) => hosts.sighted(sightings),
    workloads: () => releases.workloads(),
    setWorkload: (workload) => releases.setWorkload(workload),
    publish: (release, body, now) => releases.publish(release, body, now),
    releases: (workload) => releases.releases(workload),
    body: (digest) => releases.body(digest),
    placements: (release) => releases.placements(release),
    placement: (release, host) => releases.placement(release, host),
    advance: (release, change, placements) => releases.advance(release, change, placements),
    setPlacement: (placement) => releases.setPlacement(placement),
  } satisfies Partial<Engine>;
}

/** The timeline is that of what is written now: the server's control file has it only after the next checkpoint. */
async function timelineOf(primary: Primary): Promise<string> {
  return primary.use(async (client) => {
    const { rows } = await client.query<{ timeline: string }>(
      `SELECT system_identifier || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS timeline
       FROM pg_control_system()`,
    );
    return rows[0]!.timeline;
  });
}

async function addAudit(primary: Primary, { time, who, what }: AuditRow): Promise<void> {
  await primary.use((client) =>
    client.query('INSERT INTO audit (time, who, what) VALUES ($1, $2, $3)', [
      time,
      storable(who),
      storable(what),
    ]),
  );
}

/** The latest of them, newest first. */
async function auditOf(primary: Primary, since: number, most: number): Promise<AuditRow[]> {
  return primary.use(async (client) => {
    const { rows } = await client.query<AuditRow>(
      'SELECT time, who, what FROM audit WHERE time >= $1 ORDER BY time DESC, id DESC LIMIT $2',
      [since, most],
    );
    return rows;
  });
}
