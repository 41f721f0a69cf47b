import { visibleLines } from './visible.ts';
import { BouhekiError } from './error.ts';

/** Exit status of every kind of trouble; findings are 1. */
export const TROUBLE = 2;

/** What a failure looks like to the user. A bug keeps its stack. */
export function renderFailure(error: unknown): string {
  if (!(error instanceof BouhekiError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `bouheki: this is a bug in bouheki, please report it\n${visibleLines(text)}\n`;
  }
  const parts = [`bouheki: ${visibleLines(error.message)}`];
  if (error.remedy) parts.push(`  ${visibleLines(error.remedy)}`);
  if (error.detail) parts.push(visibleLines(error.detail.trimEnd()));
  return `${parts.join('\n')}\n`;
}
