import { createHash } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { openReader } from '../../profiler/read/read.ts';
import { formatAddress } from '../../policy/value/address.ts';
import type { Limits, Pace, Window } from '../wire/message.ts';
import { waitOf, type HubClient } from '../wire/client.ts';
import { weekOf, weekStart } from '../wire/week.ts';
import { BackOff } from './back-off.ts';
import { batchesOf } from './evidence/batch.ts';
import type { DeniedKeys } from './evidence/denied-keys.ts';
import { EvidenceTable, type EvidenceRow, type Host } from './evidence/evidence-table.ts';
import { ownAddresses } from './evidence/own-address.ts';
import { windowOf } from './evidence/window.ts';
import type { AgentMemory } from './memory.ts';

/** Microseconds. */
const HOUR = 3_600_000_000;
/** What was recorded so long before a look is in the record by then. */
const SETTLED = 5_000_000;
/** Weeks that are sent at the most, this one included: a hub keeps as many. */
const WEEKS = 8;
/** Keys of a host in a week: a hub refuses more. */
export const MOST_KEYS = 50_000;
/** And so many more of what was denied. */
const DENIED_KEYS = 10_000;
/** Between two times that the record is read because somebody asks for it, milliseconds. */
const RESEND_AGAIN = 60_000;

/** Limits where a hub has said none, and the least that are kept to. */
export const LIMITS: Limits = {
  batchRows: 1000,
  batchBytes: 262_144,
  policyBytes: 1_048_576,
  reportSeconds: 3600,
};

export interface UplinkParts {
  db: string;
  hostId: string;
  memory: AgentMemory;
  /** The hub to send to, and what to do when it does not answer. */
  hub: () => HubClient;
  failed: (hub: HubClient) => void;
  limits: () => Limits;
  /** Told what the record had when it was read. */
  denied: DeniedKeys;
  say: (text: string) => void;
  signal: AbortSignal;
}

/** Sends what the record has: at once what is missing, then every hour. The record is the only queue. */
export class Uplink {
  readonly #parts: UplinkParts;
  readonly #backOff = new BackOff();
  /** Rows that have been read and not been stored by a hub. */
  unsent = 0;
  /** What the hub that has much to do has said; null: as its limits say. */
  #pace: Pace | null = null;
  #since: number | undefined;
  #wake = new AbortController();
  #retimed = new AbortController();
  /** When the record is read again because somebody has asked for it; `at` and `#woken` as `performance.now`. */
  #alarm: { at: number; timer: NodeJS.Timeout } | undefined;
  #woken = Number.NEGATIVE_INFINITY;

  constructor(parts: UplinkParts) {
    this.#parts = parts;
  }

  /** The hub slows all agents down until a receipt says nothing of it: null. */
  pace(pace: Pace | null): void {
    this.#pace = pace;
  }

  /** The hub has said other limits: when the record is read next is found anew. */
  retime(): void {
    this.#retimed.abort();
  }

  /**
   * Sends again what was recorded from a moment on, microseconds since the epoch, spread over so many seconds. It reads
   * the whole record, so who asks for it more than once a minute gets it once.
   */
  resend(since: number, spreadSeconds: number): void {
    this.#since = Math.min(this.#since ?? Number.POSITIVE_INFINITY, since);
    const wait = Math.random() * Math.min(spreadSeconds, 3600) * 1000;
    const at = Math.max(performance.now() + wait, this.#woken + RESEND_AGAIN);
    if (this.#alarm !== undefined && this.#alarm.at <= at) return;
    clearTimeout(this.#alarm?.timer);
    const timer = setTimeout(() => {
      this.#alarm = undefined;
      this.#woken = performance.now();
      this.#wake.abort();
    }, at - performance.now()).unref();
    this.#alarm = { at, timer };
  }

  /** Until the signal comes. */
  async run(): Promise<void> {
    const { signal } = this.#parts;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      const since = Math.min(this.#since ?? Number.POSITIVE_INFINITY, this.#parts.memory.acknowledged - HOUR);
      this.#since = undefined;
      if (await this.#sendAll(since)) {
        this.#backOff.reset();
        await this.#untilDue();
      } else this.#since = Math.min(this.#since ?? Number.POSITIVE_INFINITY, since);
    }
  }

  /**
   * Sends batches one after another, each until a hub has stored it or `patient` says no: then returns false. Rows that a
   * hub refuses for good are left out.
   */
  async send(rows: readonly EvidenceRow[], windows: readonly Window[], patient: boolean): Promise<boolean> {
    const { failed, hub, limits, signal } = this.#parts;
    for (const batch of batchesOf(rows, windows, atLeast(limits()), Date.now)) {
      for (;;) {
        if (signal.aborted) return false;
        const asked = hub();
        try {
          const receipt = await asked.call('Fleet/Report', batch, { within: 60_000, signal });
          this.pace(receipt.pace);
          this.#backOff.reset();
          break;
        } catch (error) {
          const wait = waitOf(error);
          if (wait === undefined) failed(asked);
          if (!patient) return false;
          await this.#pause(Math.max(wait ?? 0, this.#backOff.next()), signal);
        }
      }
    }
    return true;
  }

  /** How this host tells its subjects and addresses, with the names that are known of its accounts. */
  host(nameOf: Host['nameOf']): Host {
    return { nameOf, own: new Set(ownAddresses(networkInterfaces()).map(formatAddress)) };
  }

  /** Whether all that was recorded since a moment is stored by a hub. */
  async #sendAll(since: number): Promise<boolean> {
    const { memory, say } = this.#parts;
    const began = Date.now() * 1000;
    const oldest = weekStart(weekOf(began) - WEEKS + 1);
    try {
      for (let week = weekOf(Math.max(oldest, since)); week <= weekOf(began); week += 1) {
        const { rows, window } = await this.#read(week, since);
        this.unsent = rows.length;
        if (!(await this.send(rows, window === undefined ? [] : [window], true))) return false;
        this.unsent = 0;
      }
      memory.acknowledge(began - SETTLED);
      return true;
    } catch (error) {
      if (this.#parts.signal.aborted) return false;
      say(`The record cannot be read for the fleet, and is tried again: ${(error as Error).message}\n`);
      await this.#pause(this.#backOff.next(), this.#parts.signal);
      return false;
    }
  }

  async #read(week: number, since: number): Promise<{ rows: EvidenceRow[]; window: Window | undefined }> {
    const { db, memory, say } = this.#parts;
    const reader = await openReader(db);
    try {
      const accounts = await reader.accounts();
      const host = this.host((kind, id) => accounts.namesOf(kind, id)[0]);
      const table = new EvidenceTable(week, host, { most: MOST_KEYS, denied: DENIED_KEYS });
      const start = weekStart(week);
      for await (const part of reader.evidence({ start, revisions: memory.revisions }))
        for (const each of part) table.add(each);
      if (table.left > 0)
        say(
          `${table.left} kinds of connections of a week are beyond what a fleet takes of one host, and are not sent.\n`,
        );
      const times = { since: start, until: weekStart(week + 1) };
      const [recordings, losses] = [await reader.recordings(times), await reader.losses(times)];
      const rows = table.rows(since);
      this.#parts.denied.recorded(rows);
      return { rows, window: windowOf(week, recordings, losses, Date.now() * 1000) };
    } finally {
      reader.close();
    }
  }

  /** Until the record is to be read again: by the clock, or because somebody asks for it. */
  async #untilDue(): Promise<void> {
    const { hostId, limits, signal } = this.#parts;
    do {
      this.#retimed = new AbortController();
      const pace = this.#pace ?? { reportSeconds: limits().reportSeconds, spreadSeconds: 0 };
      const woken = AbortSignal.any([signal, this.#wake.signal, this.#retimed.signal]);
      await this.#pause(untilReport(hostId, pace, Date.now()), woken);
    } while (this.#retimed.signal.aborted && !this.#wake.signal.aborted && !signal.aborted);
  }

  async #pause(milliseconds: number, signal: AbortSignal): Promise<void> {
    await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
  }
}

/** A hub that asks for less would make each row a batch. */
function atLeast({ batchBytes, batchRows }: Limits): Pick<Limits, 'batchRows' | 'batchBytes'> {
  return { batchRows: Math.max(batchRows, 10), batchBytes: Math.max(batchBytes, 16_384) };
}

/** What a hub has said of limits; where it leaves one out, as a hub of another version may, the usual one. */
export function limitsOf(said: Limits): Limits {
  const known = Object.entries(said).filter(([, limit]) => Number(limit) > 0);
  return { ...LIMITS, ...Object.fromEntries(known) };
}

/**
 * How long a host waits before it reports what is new, milliseconds: from a minute to a week, whatever a hub says. By a
 * hash of the host, so that restarts of many do not align.
 */
export function untilReport(hostId: string, pace: Pace, now: number): number {
  const reportSeconds = Math.min(7 * 86_400, Math.max(60, pace.reportSeconds || LIMITS.reportSeconds));
  const period = reportSeconds * 1000;
  const share = createHash('sha256').update(hostId).digest().readUInt32BE() / 2 ** 32;
  const wait = period - ((now - share * period) % period);
  return wait + share * Math.min(reportSeconds, pace.spreadSeconds) * 1000;
}
