import { visible } from '../../error/visible.ts';
import { BouhekiError } from '../../error/error.ts';
import { discoveryOf, type Discovery } from '../../generator/discovery.ts';
import { leastSpan } from '../../generator/readiness.ts';
import { openReader } from '../../profiler/read/read.ts';
import { formatDuration } from '../../format/duration.ts';
import { isStable } from '../../daemon/stability.ts';
import { formatCount, formatPercent } from '../../format/number.ts';

/** How long traffic must have been seen for, seconds, by default. */
const DEFAULT_PATIENCE = 3600;
/** Subjects that are named at the end. */
const SHOWN = 5;

/** The options of `learn` about its end, as commander passes them. Seconds. */
export interface StabilityOptions {
  until?: 'stable';
  atLeast?: number;
  duration?: number;
}

/** How long traffic must have been seen for, seconds; undefined when learning does not end by stability. */
export function patienceOf({ atLeast, duration, until }: StabilityOptions): number | undefined {
  if (until === undefined) {
    if (atLeast === undefined) return undefined;
    throw new BouhekiError('usage', '--at-least needs --until stable', {
      remedy: 'Use --duration to record for a fixed time.',
    });
  }
  const patience = atLeast ?? DEFAULT_PATIENCE;
  if (duration !== undefined && duration <= patience) {
    throw new BouhekiError(
      'usage',
      `--duration ${formatDuration(duration)} is over before traffic can span ${formatDuration(patience)}`,
      { remedy: 'Give a longer --duration, or a shorter --at-least.' },
    );
  }
  return patience;
}

/** Which came first, and who is not stable. `seen`: the recording ended because everything was. */
export async function describeEnd(
  db: string,
  since: number,
  atLeast: number,
  seen: boolean,
): Promise<{ stable: boolean; text: string }> {
  const reader = await openReader(db);
  let known: Discovery;
  try {
    known = discoveryOf(await reader.observations({ since }), await reader.accounts(), leastSpan(atLeast));
  } finally {
    reader.close();
  }
  const { first, last, subjects } = known;
  const span = formatDuration(((last ?? 0) - (first ?? 0)) / 1e6);
  // What came in the last seconds does not undo what ended the recording.
  if (seen || isStable(known, atLeast)) {
    return {
      stable: true,
      text: `Stable: ${formatCount(subjects.length, 'subject')}, in traffic of ${span}.\n`,
    };
  }
  const open = subjects.filter(({ state }) => state !== 'stable');
  const lines = [
    subjects.length === 0
      ? 'Ended before it was stable: there was no traffic.'
      : `Ended before it was stable: ${open.length} of ${formatCount(subjects.length, 'subject')} not, in traffic of ${span}.`,
    ...open
      .slice(0, SHOWN)
      .map(({ atMost, state, subject }) => `  ${state}: ${subject}, up to ${formatPercent(atMost)} unseen`),
    ...(open.length > SHOWN ? [`  and ${open.length - SHOWN} more; see bouheki status`] : []),
  ];
  return { stable: false, text: `${lines.map(visible).join('\n')}\n` };
}
