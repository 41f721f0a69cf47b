import { BouhekiError } from '../../error/error.ts';
import { appendTrusted } from '../../host/trusted-file.ts';
import { readTrustedText } from './trusted-text.ts';

/** The text of a file of decisions; the empty one where it may be absent and is. */
export function readDecisionText(file: string, mayBeAbsent: boolean): string {
  try {
    return readTrustedText(file);
  } catch (error) {
    if (error instanceof BouhekiError) throw error;
    if (mayBeAbsent && (error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new BouhekiError('usage', `cannot read the decisions in ${file}`, {
      remedy: 'Name a file that you may read.',
      detail: (error as Error).message,
      cause: error,
    });
  }
}

/** Adds lines to a file of decisions. */
export function appendDecisions(file: string, lines: readonly string[]): void {
  if (lines.length === 0) return;
  try {
    appendTrusted(file, lines.join(''));
  } catch (error) {
    if (error instanceof BouhekiError) throw error;
    throw new BouhekiError('usage', `cannot write ${file}, where decisions are kept`, {
      remedy: 'Make its directory writable.',
      detail: (error as Error).message,
      cause: error,
    });
  }
}
