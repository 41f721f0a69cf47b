import { BouhekiError } from '../../error/error.ts';
import type { Engine } from '../engine/engine.ts';
import { renewAt } from '../identity/request.ts';
import type { Batch, Limits, Receipt } from '../wire/message.ts';
import { type Peer, ReplaceableCredentials, type ServerLimits, WireServer } from '../wire/server.ts';
import { Admin } from './admin.ts';
import { Admission } from './admission.ts';
import { Desk } from './desk.ts';
import { Enrollment } from './enrollment.ts';
import { type HubFiles, readHubFiles, stampOf } from './files.ts';
import { Intake } from './intake.ts';
import { certifyHub } from './making.ts';
import { Leader } from './leader.ts';
import type { HubStatus } from './metrics.ts';
import { Offering } from './offering.ts';
import { Watching } from './watching.ts';

/** What agents are told about sizes and times. */
const LIMITS: Limits = {
  batchRows: 2000,
  batchBytes: 2 * 1024 * 1024,
  policyBytes: 1024 * 1024,
  reportSeconds: 3600,
};

/**
 * For agents and operators, who have shown a certificate. A load balancer may be before the hub, so all may come from one
 * address; what one host takes is bounded by its sessions.
 */
const KNOWN: ServerLimits = {
  // A batch, or a policy with its manifest, and room for those of other versions.
  largestRequest: 4 * 1024 * 1024,
  streams: 16,
  connections: { all: 32_768, perAddress: 32_768 },
  idle: 0,
};

/** For who joins or renews: anybody may come. All of them together take some 10 MB of messages. */
const UNKNOWN: ServerLimits = {
  largestRequest: 16 * 1024,
  streams: 4,
  connections: { all: 128, perAddress: 64 },
  idle: 10_000,
};

export interface HubOptions {
  directory: string;
  /** HOST:PORT of agents and operators, and of enrolment. */
  listen: string;
  enrollListen: string;
  version: string;
  /** Weeks of evidence that are kept. */
  keepWeeks: number;
  /** Milliseconds between two writes of signs of life, two questions about the engine, two looks at the files. */
  sightingEvery: number;
  engineEvery: number;
  filesEvery: number;
  /** After which a connection is ended, milliseconds. */
  connectionAge: number;
  /** How agents are spread when this hub stops, seconds. */
  goodbyeSpread: number;
  now: () => number;
  /** Told what an operator of the hub should know, lines. */
  say: (text: string) => void;
}

const DAY = 86_400_000;

/** A server between agents, operators and the engine. It keeps nothing that it can't read again. */
export class Hub {
  readonly #options: HubOptions;
  readonly #engine: Engine;
  #files: HubFiles;
  #stamp: string;
  readonly #credentials: { fleet: ReplaceableCredentials; enrollment: ReplaceableCredentials };
  readonly #servers: { fleet: WireServer; enrollment: WireServer };
  readonly #admission: Admission;
  readonly #desk: Desk;
  readonly #intake: Intake;
  readonly #offering: Offering;
  readonly #watching: Watching;
  readonly #leader: Leader;
  readonly #timers: NodeJS.Timeout[] = [];
  #refreshing: Promise<void> | undefined;
  #again = false;
  #reachable = true;
  #leads = false;
  #keptAt = 0;
  #faults = 0;
  /** Where it listens. */
  ports = { fleet: 0, enrollment: 0 };

  private constructor(engine: Engine, options: HubOptions) {
    this.#options = options;
    this.#engine = engine;
    this.#stamp = stampOf(options.directory);
    this.#files = readHubFiles(options.directory);
    const { now, say } = options;
    const files = (): HubFiles => this.#files;
    const onFault = (error: unknown): void => this.#fault(error);
    this.#admission = new Admission(engine, files);
    this.#desk = new Desk(engine, say);
    this.#leader = new Leader(say);
    this.#intake = new Intake(engine, LIMITS, now);
    const hubKey = () => this.#files.placementKey;
    this.#offering = new Offering({ desk: this.#desk, engine, hubKey, now, onFault });
    const parts = { engine, admission: this.#admission, files, now };
    this.#watching = new Watching({
      ...parts,
      desk: this.#desk,
      offering: this.#offering,
      limits: LIMITS,
      say,
    });
    this.#credentials = {
      fleet: new ReplaceableCredentials(tlsOf(this.#files, true)),
      enrollment: new ReplaceableCredentials(tlsOf(this.#files, false)),
    };
    this.#servers = {
      fleet: new WireServer({ connectionAge: options.connectionAge, limits: KNOWN, onFault }),
      enrollment: new WireServer({ connectionAge: 60_000, limits: UNKNOWN, onFault }),
    };
    this.#serve(parts);
  }

  /** Starts to listen. Throws BouhekiError for files that cannot be used, and for a port that is taken. */
  static async start(engine: Engine, options: HubOptions): Promise<Hub> {
    const hub = new Hub(engine, options);
    await hub.#begin();
    return hub;
  }

  get status(): HubStatus {
    return {
      version: this.#options.version,
      streams: this.#watching.streams,
      trusting: this.#watching.trusting,
      engineReachable: this.#reachable,
      leads: this.#leads,
      intake: this.#intake.counts,
      offering: { ...this.#offering.counts, open: this.#offering.open, waiting: this.#offering.waiting },
      memory: process.memoryUsage.rss(),
      faults: this.#faults,
    };
  }

  /** Says goodbye to agents, writes what is known, and ends. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#watching.goodbye('this hub stops', this.#options.goodbyeSpread);
    await this.#watching.writeSightings().catch(() => undefined);
    await Promise.all([this.#servers.fleet.stop(2000), this.#servers.enrollment.stop(2000)]);
    await this.#offering.write().catch(() => undefined);
  }

  #serve(parts: { engine: Engine; admission: Admission; files: () => HubFiles; now: () => number }): void {
    const { enrollment, fleet } = this.#servers;
    fleet.serve('Fleet', {
      Report: (batch, peer) => this.#report(batch, peer),
      Watch: (stream) => this.#watching.watch(stream),
    });
    const onRevoked = (hostId: string): void => this.#watching.revoke(hostId);
    const admin = new Admin({ ...parts, policyBytes: LIMITS.policyBytes, onRevoked });
    fleet.serve('Admin', admin.handlers);
    enrollment.serve('Enrollment', new Enrollment({ ...parts, limits: LIMITS }).handlers);
  }

  async #report(batch: Batch, peer: Peer): Promise<Receipt> {
    // With nothing in it, it asks whether this hub can be reached: a policy is confirmed by that, whatever the engine does.
    const isEmpty = batch.rows.length + batch.windows.length === 0;
    const known = isEmpty ? (id: string) => this.#desk.hosts.get(id) : undefined;
    const { row } = await this.#admission.host(peer, known);
    if (isEmpty) return { rows: 0, refused: [], pace: this.#intake.pace };
    if (batch.rows.length > LIMITS.batchRows || batch.windows.length > LIMITS.batchRows) {
      throw new BouhekiError('fleet', `a report has ${LIMITS.batchRows} rows at most`);
    }
    // Each costs a digest, whether a row names it or not.
    if (batch.subjects.length > batch.rows.length) {
      throw new BouhekiError('fleet', 'a report has no more subjects than rows');
    }
    return await this.#intake.take(row.id, batch);
  }

  async #begin(): Promise<void> {
    const { enrollListen, engineEvery, filesEvery, listen, sightingEvery } = this.#options;
    this.#watching.onTimeline(await this.#engine.timeline());
    await this.#engine.onPublished(() => {
      this.#onPublished().catch((error: unknown) => this.#fault(error));
    });
    await this.#refresh();
    this.ports = {
      fleet: await listenAt(this.#servers.fleet, listen, this.#credentials.fleet),
      enrollment: await listenAt(this.#servers.enrollment, enrollListen, this.#credentials.enrollment),
    };
    await this.#tick();
    this.#every(sightingEvery, async () => {
      await this.#watching.writeSightings();
      await this.#refresh();
    });
    this.#every(engineEvery, () => this.#tick());
    this.#every(filesEvery, async () => {
      await this.#renew();
      this.#reload();
    });
  }

  /** Repeats some work, never twice at a time. What fails because the engine is away is tried again. */
  #every(milliseconds: number, work: () => Promise<void>): void {
    let running = false;
    this.#timers.push(
      setInterval(() => {
        if (running) return;
        running = true;
        work()
          .catch((error: unknown) => this.#fault(error))
          .finally(() => (running = false));
      }, milliseconds),
    );
  }

  /** Asks how the engine is, and leads where this hub does. */
  async #tick(): Promise<void> {
    const { keepWeeks, now, say } = this.#options;
    try {
      this.#watching.onTimeline(await this.#engine.timeline());
      await this.#offering.write();
      this.#leads = await this.#engine.lead();
      if (this.#leads) await this.#leader.lead(this.#engine, now());
      if (this.#leads && now() - this.#keptAt > DAY / 24) {
        await this.#engine.keepWeeks(keepWeeks, now());
        this.#keptAt = now();
      }
      if (!this.#reachable) say('The engine answers again.\n');
      this.#reachable = true;
    } catch (error) {
      this.#leads = false;
      if (!isAway(error)) throw error;
      if (this.#reachable) say('The engine does not answer: streams stay, evidence waits on its hosts.\n');
      this.#reachable = false;
    }
  }

  /** Goes on at once, also with what a leader decides of it. */
  async #onPublished(): Promise<void> {
    await this.#refresh();
    if (!this.#leads) return;
    await this.#leader.lead(this.#engine, this.#options.now()).catch((error: unknown) => this.#fault(error));
  }

  /** Reads what is published, once more where something has changed meanwhile. */
  async #refresh(): Promise<void> {
    if (this.#refreshing) {
      this.#again = true;
      return await this.#refreshing;
    }
    this.#refreshing = this.#readAll().finally(() => (this.#refreshing = undefined));
    await this.#refreshing;
  }

  async #readAll(): Promise<void> {
    do {
      this.#again = false;
      try {
        await this.#desk.refresh(this.#offering.unwritten);
      } catch (error) {
        this.#fault(error);
        return;
      }
    } while (this.#again);
    this.#watching.look();
  }

  /** Gives this hub a new certificate at half of the life of its own. */
  async #renew(): Promise<void> {
    const { directory, now } = this.#options;
    const { authority, config, life } = this.#files;
    if (now() >= renewAt(life, 0.5)) await certifyHub(directory, authority, config.names, now());
  }

  /** Takes changed files without a restart; those that cannot be used leave the former ones. */
  #reload(): void {
    const stamp = stampOf(this.#options.directory);
    if (stamp === this.#stamp) return;
    try {
      const files = readHubFiles(this.#options.directory);
      this.#credentials.fleet.replace(tlsOf(files, true));
      this.#credentials.enrollment.replace(tlsOf(files, false));
      const before = this.#files.trustPem;
      this.#files = files;
      this.#stamp = stamp;
      this.#options.say('Took the changed files of the hub.\n');
      if (files.trustPem !== before) this.#watching.spreadTrust();
    } catch (error) {
      // Files that are being changed are read again the next time.
      if (this.#stamp !== `failed ${stamp}`) this.#options.say(`Kept the former files: ${reasonOf(error)}\n`);
      this.#stamp = `failed ${stamp}`;
    }
  }

  #fault(error: unknown): void {
    if (isAway(error)) return;
    this.#faults++;
    this.#options.say(`Fault: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  }
}

function isAway(error: unknown): boolean {
  return error instanceof BouhekiError && error.code === 'fleet-away';
}

function reasonOf(error: unknown): string {
  const { detail, message } = error as BouhekiError;
  return detail === undefined ? message : `${message}: ${detail}`;
}

function tlsOf({ certificate, key, trustPem }: HubFiles, asksClients: boolean) {
  return { certificate, key, clientTrust: asksClients ? trustPem : undefined };
}

async function listenAt(
  server: WireServer,
  address: string,
  credentials: ReplaceableCredentials,
): Promise<number> {
  try {
    return await server.listen(address, credentials);
  } catch (error) {
    throw new BouhekiError('fleet', `cannot listen at ${address}`, {
      remedy: 'name another address or port with --listen and --enroll-listen',
      detail: (error as Error).message,
      cause: error,
    });
  }
}
