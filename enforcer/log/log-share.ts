import type { VerdictEntry } from './entry.ts';

/** Lines that a payer may have at once, and in each second from then on. */
const BURST = 1000;
const PER_SECOND = 10;
/** How often denials without a line of their own are summed up, milliseconds. */
const SUM_EVERY = 10_000;
/** Sums a payer has at the most: programs, and what differs beside them. What is beyond has one sum. */
const SUMS = 32;
/** Payers who are told apart; beyond it they have one share. */
const PAYERS = 1024;

interface Payer {
  /** Lines that may be written now; a fraction grows with time. */
  lines: number;
  /** When that was true, milliseconds. */
  at: number;
  sums: Map<string, VerdictEntry>;
}

/**
 * Keeps the denials of one payer from filling the log: each payer has so many lines, and what is beyond them
 * is summed up, a line with a count for each program. Every denial is in one line or in one count.
 */
export class LogShare {
  readonly #write: (entry: VerdictEntry) => void;
  readonly #now: () => number;
  readonly #payers = new Map<string, Payer>();
  #summed: number;

  /** `now` is a clock in milliseconds that nobody sets: sums would wait for one that was set back. */
  constructor(write: (entry: VerdictEntry) => void, now: () => number = () => performance.now()) {
    this.#write = write;
    this.#now = now;
    this.#summed = now();
  }

  /** A line of its own, or one more in a sum. `payer` is whose share it takes: a user, a container. */
  write(payer: string, entry: VerdictEntry): void {
    const share = this.#shareOf(payer);
    if (share.lines >= 1) {
      share.lines -= 1;
      this.#write(entry);
    } else {
      addTo(share.sums, entry);
    }
  }

  /** Writes the sums when it is time. To be called about once a second. */
  tick(): void {
    if (this.#now() - this.#summed >= SUM_EVERY) this.flush();
  }

  /** Writes all sums. */
  flush(): void {
    this.#summed = this.#now();
    for (const [name, payer] of this.#payers) {
      for (const sum of payer.sums.values()) this.#write(sum);
      payer.sums.clear();
      if (this.#renew(payer).lines >= BURST) this.#payers.delete(name);
    }
  }

  #shareOf(name: string): Payer {
    const known = this.#payers.get(name);
    if (known) return this.#renew(known);
    if (this.#payers.size >= PAYERS && name !== '') return this.#shareOf('');
    const fresh = { lines: BURST, at: this.#now(), sums: new Map() };
    this.#payers.set(name, fresh);
    return fresh;
  }

  #renew(payer: Payer): Payer {
    const now = this.#now();
    // A clock that was set back gives nothing.
    payer.lines = Math.min(BURST, payer.lines + (Math.max(0, now - payer.at) / 1000) * PER_SECOND);
    payer.at = now;
    return payer;
  }
}

/** What a sum says: who, by what program, and what came of it. Not where to, and not which process. */
function commonOf({
  action,
  exe,
  command,
  uid,
  user,
  container,
  image,
  rule,
  policy,
}: VerdictEntry): VerdictEntry {
  return {
    action,
    uid,
    ...(exe !== undefined ? { exe } : command !== undefined && { command }),
    ...(user !== undefined && { user }),
    ...(container !== undefined && { container }),
    ...(image !== undefined && { image }),
    ...(rule !== undefined && { rule }),
    ...(policy !== undefined && { policy }),
  };
}

function addTo(sums: Map<string, VerdictEntry>, entry: VerdictEntry): void {
  const { action, uid } = entry;
  let common = commonOf(entry);
  let key = JSON.stringify(common);
  if (!sums.has(key) && sums.size >= SUMS) {
    common = { action, uid };
    // Those ids may be many: the line bears one of them.
    key = action;
  }
  const sum = sums.get(key) ?? { ...common, count: 0 };
  sum.count! += entry.count ?? 1;
  sums.set(key, sum);
}
