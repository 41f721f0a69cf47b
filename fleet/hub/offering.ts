import type { KeyObject } from 'node:crypto';
import type { Engine, PlacementRow, PlacementState } from '../engine/engine.ts';
import { ENFORCE } from '../wire/feature.ts';
import { type Desk, offerOf, type Wanted } from './desk.ts';
import { type Session, storable } from './session.ts';

/** Offers that are open at a time: what waits for many readers at once takes memory. */
const WAVE = 100;
/** An offer that is not answered after this leaves its place in the wave, milliseconds. It can still be answered. */
const PATIENCE = 60_000;
/** States after which a host is not offered the same again. */
const REFUSED: ReadonlySet<PlacementState> = new Set(['refused', 'fallback']);

export interface OfferingParts {
  desk: Desk;
  engine: Pick<Engine, 'setPlacement'>;
  hubKey: () => KeyObject;
  now: () => number;
  onFault: (error: unknown) => void;
}

/** What was offered, and answered how often. */
export interface OfferingCounts {
  offers: number;
  taken: number;
  refused: number;
}

/** Offers policies to agents in waves, and writes down what they answer. */
export class Offering {
  readonly #parts: OfferingParts;
  readonly #waiting = new Set<Session>();
  /** Who has a place in the wave: one for each host, that of its newest stream. */
  readonly #open = new Map<string, Session>();
  /** Answers that are not written yet: the last of each host. */
  readonly #answers = new Map<string, PlacementRow>();
  #writing: Promise<void> | undefined;
  readonly counts: OfferingCounts = { offers: 0, taken: 0, refused: 0 };

  constructor(parts: OfferingParts) {
    this.#parts = parts;
  }

  get open(): number {
    return this.#open.size;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Answers that the engine may not have yet. */
  get unwritten(): Iterable<PlacementRow> {
    return this.#answers.values();
  }

  /** Looks whether an agent is to be offered something. */
  look(session: Session): void {
    const wanted = this.#missing(session);
    if (wanted === undefined) this.#waiting.delete(session);
    else this.#waiting.add(session);
    this.#goOn();
  }

  /** The stream has ended. */
  forget(session: Session): void {
    this.#waiting.delete(session);
    this.#leave(session);
    this.#goOn();
  }

  /** Takes what an agent says of itself: the answer to the open offer of its stream, or how things stand. */
  heard(session: Session): void {
    const { nonce, refusal } = session.state!;
    const { offer } = session;
    // A nonce of an earlier stream, or of an offer that was replaced, answers nothing.
    if (offer !== undefined && nonce === offer.nonce) {
      session.offer = undefined;
      this.#leave(session);
      if (refusal) this.#refused(session, offer.policy);
      else this.counts.taken++;
    }
    if (session.offer === undefined) this.#standing(session);
    this.look(session);
  }

  /** Writes what is not written. Throws what the engine throws. */
  async write(): Promise<void> {
    await (this.#writing ??= this.#writeAll().finally(() => (this.#writing = undefined)));
  }

  async #writeAll(): Promise<void> {
    for (const [host, placement] of this.#answers) {
      await this.#parts.engine.setPlacement(placement);
      if (this.#answers.get(host) === placement) this.#answers.delete(host);
    }
  }

  #note(placement: PlacementRow | undefined, state: PlacementState, error = ''): void {
    if (placement === undefined || placement.stage < 0 || placement.state === state) return;
    const next = { ...placement, state, error, since: this.#parts.now() };
    this.#parts.desk.note(next);
    this.#answers.set(placement.host, next);
    // The engine is asked again at the next sign of life.
    this.write().catch(() => undefined);
  }

  #refused(session: Session, policy: string): void {
    const { code, column, line, message } = session.state!.refusal!;
    this.counts.refused++;
    session.refused.add(policy);
    const wanted = this.#wanted(session);
    if (wanted === undefined || policyOf(wanted) !== policy) return;
    const place = line > 0 ? `${line}:${column}: ` : '';
    this.#note(wanted.placement, 'refused', storable(`${code}: ${place}${message}`, 1000));
  }

  /** What a host holds, beside what it is to hold. */
  #standing(session: Session): void {
    const { inForce } = session.state!;
    const wanted = this.#wanted(session);
    if (wanted?.placement === undefined || inForce == null) return;
    const { placement } = wanted;
    if (this.#isHeld(session, wanted)) {
      this.#note(placement, inForce.confirmed ? 'confirmed' : 'applied');
    } else if (inForce.fallback && (placement.state === 'offered' || placement.state === 'applied')) {
      this.#note(placement, 'fallback', 'it could not be confirmed in time');
    }
  }

  #wanted({ host }: Session): Wanted | undefined {
    return this.#parts.desk.wanted(host.id, this.#parts.now());
  }

  #isHeld(session: Session, { held, placement, release }: Wanted): boolean {
    if (!session.holds(held)) return false;
    const isNew = placement !== undefined && placement.stage >= 0 && placement.side === 'new';
    return !isNew || session.state!.inForce!.revision === release.revision;
  }

  /** What an agent lacks and may be offered. */
  #missing(session: Session): Wanted | undefined {
    if (session.state?.features.includes(ENFORCE) !== true) return undefined;
    const wanted = this.#wanted(session);
    if (wanted === undefined || this.#isHeld(session, wanted)) return undefined;
    if (wanted.placement !== undefined && REFUSED.has(wanted.placement.state)) return undefined;
    if (session.refused.has(policyOf(wanted))) return undefined;
    const { offer } = session;
    const isOpen =
      offer?.policy === policyOf(wanted) &&
      offer.mode === wanted.held.mode &&
      offer.digest === wanted.held.digest;
    return isOpen ? undefined : wanted;
  }

  #goOn(): void {
    if (this.#open.size >= WAVE) this.#dropSlow();
    for (const session of this.#waiting) {
      if (this.#open.size >= WAVE) return;
      this.#waiting.delete(session);
      const wanted = this.#missing(session);
      if (wanted === undefined) continue;
      this.#open.set(session.host.id, session);
      this.#offer(session, wanted).catch((error: unknown) => {
        // Offered again at the next sign of life.
        session.offer = undefined;
        this.#leave(session);
        this.#parts.onFault(error);
      });
    }
  }

  #leave(session: Session): void {
    if (this.#open.get(session.host.id) === session) this.#open.delete(session.host.id);
  }

  #dropSlow(): void {
    const now = this.#parts.now();
    for (const session of this.#open.values()) {
      if (session.offer === undefined || now - session.offer.at > PATIENCE) this.#leave(session);
    }
  }

  async #offer(session: Session, wanted: Wanted): Promise<void> {
    const { desk, hubKey, now } = this.#parts;
    const { digest, mode } = wanted.held;
    const nonce = session.nextNonce();
    session.offer = {
      nonce,
      policy: policyOf(wanted),
      placement: wanted.placement,
      digest,
      mode,
      at: now(),
    };
    const has = session.state?.inForce?.digest.toString('hex') === digest;
    const body = has ? Buffer.alloc(0) : await desk.body(digest);
    if (body === undefined) throw new Error(`the engine has no policy ${digest}`);
    // Something else may have been offered, or the stream have ended, while the text was read.
    if (session.offer?.nonce !== nonce) return;
    const to = { hostId: session.host.id, nonce, body };
    session.send({ it: 'offer', offer: offerOf(wanted, to, hubKey(), now()) }, now());
    this.counts.offers++;
    if (wanted.placement?.state === 'waiting' || wanted.placement?.state === 'pending') {
      this.#note(wanted.placement, 'offered');
    }
  }
}

function policyOf({ held, release }: Wanted): string {
  return `${release.revision} ${held.digest}`;
}
