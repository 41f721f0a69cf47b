import { type Clock, hostClock } from '../bpf/clock.ts';
import type { Egress } from '../bpf/egress.ts';
import { MAX_ENDS, Tables } from '../bpf/wire.ts';
import type { RuleEnd } from '../policy/meaning/end.ts';
import { type Ends, endDeadlines } from './rule-end.ts';

/** By how much the clock of the host may go astray before it counts as set, microseconds. */
const CLOCK_SET = 100_000;

/** A policy that a side has, as far as its rules end. */
interface EndingSide {
  ends: Ends;
  rules: readonly RuleEnd[];
}

/** What has become of a rule: it has ended, or the clock was set back to before its end. */
export interface EndChange extends RuleEnd {
  ended: boolean;
}

/**
 * Follows the ends of rules. The kernel ends them by itself; this only has it look less often, and follows the clock of
 * the host where that is set.
 */
export class EndWatch {
  readonly #egress: Egress;
  readonly #sides: (EndingSide | undefined)[] = [undefined, undefined];
  #inForce: 0 | 1 = 0;
  /** As the kernel side knows it. */
  #boot = 0;
  /** The time up to which all ends were told, microseconds since the epoch. */
  #told = 0;

  constructor(egress: Egress) {
    this.#egress = egress;
  }

  /** A side comes into force, whose ends were put by this clock. `waits`: the kernel may go back to the other side. */
  begin(side: 0 | 1, policy: EndingSide, clock: Clock, waits = false): void {
    this.#sides[side] = policy;
    if (!waits) this.#sides[side === 0 ? 1 : 0] = undefined;
    this.#inForce = side;
    this.#boot = clock.boot;
    this.#told = timeOf(clock);
  }

  /** No policy is in force any more. */
  clear(): void {
    this.#sides.fill(undefined);
  }

  /** About once a second: what has changed in the policy in force since the last call. */
  look(clock: Clock = hostClock()): EndChange[] {
    const now = timeOf(clock);
    const before = this.#told;
    const isSet = Math.abs(clock.boot - this.#boot) > CLOCK_SET;
    const [from, to] = before < now ? [before, now] : [now, before];
    const passed = ({ times }: Ends): boolean => times.some((time) => from < time && time <= to);
    const isDue = this.#sides.some(
      (each) => each && each.ends.times.length > 0 && (isSet || passed(each.ends)),
    );
    this.#told = now;
    if (!isDue) return [];
    for (const side of [0, 1] as const) {
      const policy = this.#sides[side];
      if (policy && policy.ends.times.length > 0) putEnds(this.#egress, side, policy.ends, clock);
    }
    this.#boot = clock.boot;
    const rules = this.#sides[this.#inForce]?.rules ?? [];
    const ended = before < now;
    return rules
      .filter(({ until }) => from < until && until <= to)
      .map(({ rule, until }) => ({ rule, until, ended }));
  }
}

/** Microseconds since the epoch. */
function timeOf({ boot, now }: Clock): number {
  return boot + Number(now / 1000n);
}

/**
 * Says when the rules of a side end: before it comes into force, when the clock of the host is set, and about once a
 * second, so that the hooks need not look for the next end. Of times that move the hooks may see some as they were, never
 * in another order. Returns how many ends have come.
 */
export function putEnds(egress: Egress, side: 0 | 1, ends: Ends, clock: Clock): number {
  const { tables } = egress.tables(side);
  const words = new BigUint64Array(tables.buffer, tables.byteOffset + Tables.offset.end, MAX_ENDS + 1);
  const deadlines = endDeadlines(ends, clock.boot);
  const moveLater = deadlines[0]! > words[0]!;
  for (let step = 0; step <= MAX_ENDS; step += 1) {
    const at = moveLater ? MAX_ENDS - step : step;
    words[at] = deadlines[at]!;
  }
  const next = deadlines.findIndex((deadline) => deadline > clock.now);
  const ended = Math.min(next, ends.times.length);
  egress.setEnds(side, ended, ended === ends.times.length ? 0n : deadlines[ended]!);
  return ended;
}
