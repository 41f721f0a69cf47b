import { createHash } from 'node:crypto';
import type { EvidenceRow } from './evidence-table.ts';

/** What is denied on this host: subject and destination, by those that the record had and those that came since. */
export class DeniedKeys {
  readonly #most: number;
  readonly #recorded = new Set<string>();
  readonly #fresh = new Set<string>();

  /** `most`: keys of each kind that are kept. Users of the host say what they try, so there must be an end. */
  constructor(most: number) {
    this.#most = most;
  }

  /** How many were denied since the start and not before; `most` stands for more, too. */
  get fresh(): number {
    return this.#fresh.size;
  }

  /** Rows of the record. */
  recorded(rows: readonly EvidenceRow[]): void {
    for (const key of deniedOf(rows)) this.#add(this.#recorded, key);
  }

  /** Rows of what happens now. */
  happened(rows: readonly EvidenceRow[]): void {
    for (const key of deniedOf(rows)) if (!this.#recorded.has(key)) this.#add(this.#fresh, key);
  }

  #add(keys: Set<string>, key: string): void {
    if (keys.size < this.#most) keys.add(key);
  }
}

/** Digests: a subject has paths of thousands of characters, where a user wants that. */
function deniedOf(rows: readonly EvidenceRow[]): string[] {
  return rows.filter(({ verdict }) => verdict !== 'ALLOW').map(keyOf);
}

function keyOf({ address, port, protocol, socket, subject }: EvidenceRow): string {
  const rest = ` ${address.toString('hex')} ${port} ${protocol} ${socket}`;
  return createHash('sha256').update(subject).update(rest).digest('base64').slice(0, 22);
}
