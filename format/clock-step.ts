import { formatDuration } from './duration.ts';

/** By how much a clock was set, microseconds: `1h forward`. */
export function formatStep(step: number): string {
  return `${formatDuration(Math.abs(step) / 1e6)} ${step < 0 ? 'back' : 'forward'}`;
}
