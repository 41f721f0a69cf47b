import type { Outcome } from './outcome.ts';

const MARK = { passed: 'ok  ', failed: 'FAIL', skipped: 'skip' } as const;

/** The line for one finished test while the run goes on. */
export function progressOf(outcome: Outcome): string {
  const time = outcome.milliseconds >= 100 ? ` (${(outcome.milliseconds / 1000).toFixed(1)} s)` : '';
  const reason = outcome.kind === 'skipped' ? `: ${outcome.message}` : '';
  return `  ${MARK[outcome.kind]} ${outcome.name}${reason}${time}`;
}
