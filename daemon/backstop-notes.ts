import { blocksSome, monitorsSome } from '../policy/meaning/mode.ts';
import type { Policy } from '../policy/meaning/policy.ts';

/** Milliseconds between two notes of dropped packets. */
const NOTE_EVERY = 60_000;

/** Says when packets have been dropped. */
export class DropNotes {
  readonly #say: (packets: string) => void;
  #stopped = 0;
  #reported = 0;
  /** Milliseconds, as performance.now(). */
  #quietUntil = 0;

  /** `say` receives `1 packet` or `2 packets`. */
  constructor(say: (packets: string) => void) {
    this.#say = say;
  }

  /** Reports packets dropped since the last note, at once and then once a minute. */
  show(stopped: number): void {
    this.#stopped = stopped;
    if (performance.now() >= this.#quietUntil) this.end();
  }

  /** Reports what no note has reported yet. */
  end(): void {
    const packets = this.#stopped - this.#reported;
    if (packets === 0) return;
    this.#reported = this.#stopped;
    this.#quietUntil = performance.now() + NOTE_EVERY;
    this.#say(packets === 1 ? '1 packet' : `${packets} packets`);
  }
}

/** What a policy says of packets, which have no subject. */
export interface PacketRules {
  /** Deny entries that name addresses and nothing else. */
  entries: number;
  /** Whether there are addresses that no entry allows to any subject. */
  closed: boolean;
  /** Whether some subject may route by the source. */
  sourceRoutes: boolean;
}

type Where = Pick<Policy, 'mode' | 'modes' | 'target'>;

const NO_CONTAINERS = 'the policy is for containers alone, and a packet does not show whose it is';

const SOME_MONITORED =
  'some subjects of the policy are only monitored, and a packet does not show whose it is';

/** What the backstop does under a policy, or why it does nothing. */
export function describeBackstop(where: Where, { entries, closed }: PacketRules): string {
  const drops = [
    ...(entries > 0 ? [`packets to the addresses of ${entries} deny entries`] : []),
    ...(closed ? ['packets that open a connection to an address that no entry allows to any subject'] : []),
  ];
  let reason: string;
  if (!blocksSome(where)) reason = 'the policy only monitors';
  else if (where.target === 'container') reason = NO_CONTAINERS;
  else if (monitorsSome(where)) reason = SOME_MONITORED;
  else if (drops.length === 0)
    reason =
      'no deny entry of the policy names addresses and nothing else, and every address is allowed to some subject';
  else return `The backstop drops ${drops.join(', and ')}.\n`;
  return `Warning: the backstop drops nothing: ${reason}.\n`;
}

/**
 * What becomes of packets with a source route under a policy; nothing where they are left alone on purpose.
 */
export function describeRoutes(where: Where, { sourceRoutes }: PacketRules): string {
  if (!blocksSome(where)) return '';
  if (where.target === 'container') return `Packets with a source route are not dropped: ${NO_CONTAINERS}.\n`;
  if (monitorsSome(where)) return `Packets with a source route are not dropped: ${SOME_MONITORED}.\n`;
  return sourceRoutes
    ? 'Packets with a source route are dropped when they go to an address that is denied to all subjects.\n'
    : 'Packets with a source route are dropped: no entry allows source-route.\n';
}
