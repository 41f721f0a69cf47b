import type { DriftObservation } from '../entry.ts';
import { HOUR } from '../../../profiler/read/stretch.ts';

/** When something was recorded, microseconds since the epoch. */
export interface Span {
  start: number;
  end: number;
}

/** The time in which a host was watched, as spans in order that do not touch. */
export class WatchedTime {
  readonly #spans: readonly Span[];

  constructor(spans: readonly Span[]) {
    const joined: Span[] = [];
    for (const { end, start } of spans.toSorted((a, b) => a.start - b.start)) {
      const last = joined.at(-1);
      if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
      else joined.push({ start, end });
    }
    this.#spans = joined;
  }

  get start(): number {
    return this.#spans[0]?.start ?? 0;
  }

  get end(): number {
    return this.#spans.at(-1)?.end ?? 0;
  }

  /** Microseconds of it between two times. */
  between(from: number, to: number): number {
    return this.#spans.reduce(
      (sum, { start, end }) => sum + Math.max(0, Math.min(end, to) - Math.max(start, from)),
      0,
    );
  }
}

/** How long something that has been seen is silent, and how likely that is if nothing has changed. */
export interface Silence {
  /** Microseconds of watched time. */
  length: number;
  /** The last event before it, microseconds since the epoch; absent where nothing was ever seen. */
  last?: number;
  /** Absent where nothing was ever seen. */
  chance?: number;
}

/**
 * The silence since the last of these observations.
 *
 * Activity is counted in clock hours with an event, so that a burst counts once: h of them in T0, the watched time up to
 * the last event. If they come as a Poisson process of an unknown rate, the rate has the posterior Gamma(h, T0) under
 * the prior 1/rate, and the next one comes after more than T1 with the chance (T0 / (T0 + T1))^h: the Lomax
 * distribution, the predictive one of exponential waiting times (Gelman et al., Bayesian Data Analysis, 3rd edition,
 * sections 2.6 and 2.8). One rate that is only estimated makes long silences likelier than exp(-rate * T1) says, which
 * is its limit for large h. Of several destinations the most active one is counted, so that the chance is never too
 * small; an hour is the least that T0 may be.
 */
export function silenceOf(
  observations: readonly Pick<DriftObservation, 'hours' | 'last'>[],
  watched: WatchedTime,
): Silence {
  if (observations.length === 0) return { length: watched.between(watched.start, watched.end) };
  let last = 0;
  let hours = 0;
  for (const each of observations) {
    last = Math.max(last, each.last);
    hours = Math.max(hours, each.hours);
  }
  const length = watched.between(last, watched.end);
  const before = Math.max(HOUR, watched.between(watched.start, last));
  return { length, last, chance: (before / (before + length)) ** hours };
}
