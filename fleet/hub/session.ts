import type { HostRow, PlacementRow, Sighting } from '../engine/engine.ts';
import type { CertificateIdentity } from '../identity/identity.ts';
import type { AgentState, HubMessage } from '../wire/message.ts';
import type { AgentStream } from '../wire/server.ts';

/** What was offered on a stream and is not answered, or was. */
export interface OpenOffer {
  nonce: string;
  /** Revision and digest, by which a refusal is remembered. */
  policy: string;
  /** As it was when it was offered; undefined: the host came after the release. */
  placement: PlacementRow | undefined;
  digest: string;
  mode: string;
  /** Milliseconds since the epoch. */
  at: number;
}

/** A text that an agent reports, as the engine can store it: without NUL, and without the half of a character. */
export function storable(text: string, most: number): string {
  return Buffer.from(text.slice(0, most).replaceAll('\0', '')).toString();
}

/** The same of a number. */
function counted(value: number | undefined): number {
  return Number.isSafeInteger(value) ? value! : 0;
}

/** Of lists that an agent sends: more than any has. */
const MOST_FEATURES = 64;
const MOST_HASHES = 16;

/** One open stream of an agent. */
export class Session {
  readonly stream: AgentStream;
  readonly identity: CertificateIdentity;
  readonly host: HostRow;
  /** Milliseconds since the epoch. */
  readonly opened: number;
  /** The agent's start: set by its first message. */
  instance = '';
  state: AgentState | undefined;
  heard: number;
  /** Whether it has said anything since it was written down last. */
  isNews = false;
  offer: OpenOffer | undefined;
  /** Policies that this host has refused on this stream. */
  readonly refused = new Set<string>();
  #nonces = 0;

  constructor(stream: AgentStream, identity: CertificateIdentity, host: HostRow, now: number) {
    this.stream = stream;
    this.identity = identity;
    this.host = host;
    this.opened = now;
    this.heard = now;
  }

  /** Nonces begin anew with each stream. */
  nextNonce(): string {
    return String(++this.#nonces);
  }

  send(message: Omit<HubMessage, 'clock'>, now: number): void {
    this.stream.send({ ...message, clock: now });
  }

  take(state: AgentState, now: number): void {
    const { features, trustBundleHashes } = state;
    this.state = {
      ...state,
      features: features.slice(0, MOST_FEATURES),
      trustBundleHashes: trustBundleHashes.slice(0, MOST_HASHES),
    };
    this.heard = now;
    this.isNews = true;
  }

  /** Whether the agent says that it holds this. */
  holds({ digest, mode }: { digest: string; mode: string }): boolean {
    const held = this.state?.inForce;
    return held != null && held.digest.toString('hex') === digest && held.mode === mode;
  }

  sighting(): Sighting | undefined {
    const { state } = this;
    if (state === undefined) return undefined;
    const { counters, inForce } = state;
    return {
      host: this.host.id,
      seen: this.heard,
      agentVersion: storable(state.agentVersion, 64),
      features: state.features.map((each) => storable(each, 64)),
      skew: counted(state.clock - this.heard),
      revision: counted(inForce?.revision),
      digest: inForce?.digest.subarray(0, 32) ?? Buffer.alloc(0),
      mode: storable(inForce?.mode ?? '', 16),
      stale: inForce?.stale ?? false,
      fallback: inForce?.fallback ?? false,
      lost: counted(counters?.lost),
      unsentRows: counted(counters?.unsentRows),
      newDeniedKeys: counted(counters?.newDeniedKeys),
      breakerTrips: counted(counters?.breakerTrips),
    };
  }
}
