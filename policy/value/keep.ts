import { formatDuration, parseDuration } from '../../format/duration.ts';

/** How a policy says that a name counts for as long as the policy does. */
export const FOREVER = 'forever';

/** Seconds for which a name counts after the end of its TTL: of a duration, or of `forever`; undefined of other texts. */
export function parseKeep(text: string): number | undefined {
  return text === FOREVER ? Infinity : parseDuration(text);
}

export function formatKeep(keep: number): string {
  return keep === Infinity ? FOREVER : formatDuration(keep);
}
