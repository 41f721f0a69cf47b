import type { Engine, HostRow, Sighting } from '../engine/engine.ts';
import { BouhekiError } from '../../error/error.ts';
import { visible } from '../../error/visible.ts';
import type { AgentState, Limits } from '../wire/message.ts';
import { type AgentStream, ShutOut } from '../wire/server.ts';
import type { Admission } from './admission.ts';
import { Clones } from './clone.ts';
import type { Desk } from './desk.ts';
import { type HubFiles, trustHashes } from './files.ts';
import type { Offering } from './offering.ts';
import { Session } from './session.ts';

/** Of the length of a message that an agent reads slowly: more than this waits, and the stream is ended. Bytes. */
const MOST_WAITING = 32 * 1024 * 1024;
/** Messages that are kept while the engine is asked about a host, of a limited size each. */
const MOST_EARLY = 4;
/** Streams of one host: an agent has one, and one that started again leaves another behind for a while. */
const MOST_STREAMS = 3;
/** How far back agents send again what the engine may have lost, milliseconds. */
const RESENT = 60 * 60_000;
const SPREAD_SECONDS = 120;

export interface WatchingParts {
  engine: Pick<Engine, 'setClone' | 'sighted' | 'audit'>;
  admission: Admission;
  desk: Desk;
  offering: Offering;
  files: () => HubFiles;
  limits: Limits;
  now: () => number;
  say: (text: string) => void;
}

/** The streams of agents. */
export class Watching {
  readonly #parts: WatchingParts;
  readonly #sessions = new Map<string, Set<Session>>();
  readonly #clones = new Clones();
  readonly #flagged = new Set<string>();
  #count = 0;
  /** Of the engine; undefined until it was reached. */
  timeline: string | undefined;

  constructor(parts: WatchingParts) {
    this.#parts = parts;
  }

  get streams(): number {
    return this.#count;
  }

  /** How many streams believe every authority of now. */
  get trusting(): number {
    const hashes = trustHashes(this.#parts.files().trust);
    return [...this.#all()].filter(({ state }) =>
      hashes.every((hash) => state?.trustBundleHashes.includes(hash)),
    ).length;
  }

  /** Serves one stream until it ends. */
  watch(stream: AgentStream): void {
    let session: Session | undefined;
    let ended = false;
    const early: AgentState[] = [];
    // From the first moment on: what is sent before the host was looked up must not be lost.
    stream.onState((state) => {
      if (session) this.#hear(session, state);
      else if (early.length < MOST_EARLY) early.push(state);
    });
    stream.onEnd(() => {
      ended = true;
      if (session) this.#forget(session);
    });
    const known = (id: string): HostRow | undefined => this.#parts.desk.hosts.get(id);
    this.#parts.admission.host(stream.peer, known).then(
      ({ identity, row }) => {
        if (ended) return;
        session = new Session(stream, identity, row, this.#parts.now());
        this.#open(session);
        for (const state of early.splice(0)) this.#hear(session, state);
      },
      (error: unknown) => stream.end(error as Error),
    );
  }

  #open(session: Session): void {
    const { desk, now } = this.#parts;
    const { host } = session;
    const sessions = this.#sessions.get(host.id) ?? new Set();
    this.#sessions.set(host.id, sessions.add(session));
    this.#count++;
    const [oldest] = sessions;
    if (sessions.size > MOST_STREAMS) oldest!.stream.end();
    if (!desk.hosts.has(host.id)) desk.add(host);
    const { id: hostId, labels, name, workload = '' } = host;
    const welcome = { hostId, name, labels, workload, timeline: this.timeline ?? '' };
    session.send({ it: 'welcome', welcome }, now());
    session.send({ it: 'limits', limits: this.#parts.limits }, now());
    if (this.#clones.begins(session)) this.#flag(session, 'a certificate that was replaced');
  }

  #hear(session: Session, state: AgentState): void {
    const { now, offering } = this.#parts;
    const isHello = session.state === undefined;
    session.take(state, now());
    if (isHello) this.#hello(session, state);
    const others = this.#sessions.get(session.host.id) ?? [];
    if (Clones.speaks(session, others)) this.#flag(session, 'two agents at once');
    if (session.stream.waiting > MOST_WAITING) {
      session.stream.end(new BouhekiError('fleet-away', 'this agent reads too slowly'));
      return;
    }
    offering.heard(session);
  }

  #hello(session: Session, { instance, trustBundleHashes }: AgentState): void {
    session.instance = instance.slice(0, 64);
    // The same agent, over another connection: the former one is not there any more.
    for (const other of this.#sessions.get(session.host.id) ?? []) {
      if (other !== session && other.instance === session.instance) other.stream.end();
    }
    const { files, now } = this.#parts;
    const { trust } = files();
    const hashes = trustHashes(trust);
    const isCurrent =
      hashes.length === trustBundleHashes.length && hashes.every((hash) => trustBundleHashes.includes(hash));
    if (!isCurrent) session.send({ it: 'trust', trust: { trustBundle: trust } }, now());
  }

  #flag({ host }: Session, why: string): void {
    if (this.#flagged.has(host.id)) return;
    this.#flagged.add(host.id);
    const { engine, now, say } = this.#parts;
    say(`Host ${visible(host.name)} (${host.id}) is a clone: ${why}.\n`);
    Promise.all([
      engine.setClone(host.id, true),
      engine.audit(`host ${host.id}`, `clone: ${why}`, now()),
    ]).catch(() => this.#flagged.delete(host.id));
  }

  #forget(session: Session): void {
    const sessions = this.#sessions.get(session.host.id);
    if (sessions?.delete(session) !== true) return;
    this.#count--;
    if (sessions.size === 0) this.#sessions.delete(session.host.id);
    this.#parts.offering.forget(session);
  }

  *#all(): Generator<Session> {
    for (const sessions of this.#sessions.values()) yield* sessions;
  }

  /** After the desk was refreshed: ends what was revoked, and offers what is new. */
  look(): void {
    const { desk, offering } = this.#parts;
    for (const session of this.#all()) {
      if (desk.hosts.get(session.host.id)?.state === 'revoked') this.#shutOut(session);
      else offering.look(session);
    }
    // A clone that an operator has restored is looked for again.
    for (const id of this.#flagged) if (desk.hosts.get(id)?.clone === false) this.#flagged.delete(id);
  }

  /** Ends the streams of a host that was revoked here. */
  revoke(hostId: string): void {
    for (const session of this.#sessions.get(hostId) ?? []) this.#shutOut(session);
  }

  #shutOut(session: Session): void {
    session.stream.end(new ShutOut('this host was revoked'));
  }

  /** Has every agent believe the authorities of now. */
  spreadTrust(): void {
    const { files, now } = this.#parts;
    const { trust } = files();
    for (const session of this.#all()) session.send({ it: 'trust', trust: { trustBundle: trust } }, now());
  }

  /** Notes the timeline of the engine. On another one than before, agents send again what may be lost. */
  onTimeline(timeline: string): void {
    const isOther = this.timeline !== undefined && this.timeline !== timeline;
    this.timeline = timeline;
    if (!isOther) return;
    const { now, say } = this.#parts;
    say('The engine is on another timeline: agents send the evidence of the last hour again.\n');
    const resend = { since: now() - RESENT, spreadSeconds: SPREAD_SECONDS };
    for (const session of this.#all()) session.send({ it: 'resend', resend }, now());
  }

  /** Writes signs of life down, many at once. Throws what the engine throws; then they are written the next time. */
  async writeSightings(): Promise<void> {
    const news = [...this.#all()].filter(({ isNews }) => isNews);
    const sightings = news.map((session) => session.sighting()).filter((each) => each !== undefined);
    for (const session of news) session.isNews = false;
    try {
      if (sightings.length > 0) await this.#write(sightings);
    } catch (error) {
      for (const session of news) session.isNews = true;
      throw error;
    }
  }

  async #write(sightings: readonly Sighting[]): Promise<void> {
    try {
      await this.#parts.engine.sighted(sightings);
    } catch (error) {
      const away = error instanceof BouhekiError && error.code === 'fleet-away';
      if (away || sightings.length === 1) throw error;
      // What fails because of one must not fail the others.
      for (const each of sightings) await this.#parts.engine.sighted([each]).catch(() => undefined);
    }
  }

  /** Sends every agent away, each at another moment of so many seconds. */
  goodbye(reason: string, spreadSeconds: number): void {
    const { now } = this.#parts;
    for (const session of this.#all()) {
      const reconnectAfter = Math.floor(Math.random() * spreadSeconds * 1000);
      session.send({ it: 'goodbye', goodbye: { reconnectAfter, reason } }, now());
      session.stream.end();
    }
  }
}
