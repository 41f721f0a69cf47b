import { visibleLines } from './visible.ts';
import { BouhekiError } from './error.ts';

/** Exit status of every kind of trouble; findings are 1. */
export const TROUBLE = 2;

/** Answers of the system about a path that somebody has named, or about where it leads. */
const REFUSALS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not use it',
  EEXIST: 'there is something already',
  EISDIR: 'it is a directory',
  ELOOP: 'it leads through too many links',
  ENAMETOOLONG: 'a name in it is too long',
  ENOENT: 'there is no such file or directory',
  ENOSPC: 'there is no space left',
  ENOTDIR: 'a part of it is no directory',
  EPERM: 'the system does not permit it',
  EROFS: 'it is on a file system that is read only',
};

/** What a failure looks like to the user. A bug keeps its stack. */
export function renderFailure(error: unknown): string {
  if (error instanceof BouhekiError) {
    const parts = [`bouheki: ${visibleLines(error.message)}`];
    if (error.remedy) parts.push(`  ${visibleLines(error.remedy)}`);
    if (error.detail) parts.push(visibleLines(error.detail.trimEnd()));
    return `${parts.join('\n')}\n`;
  }
  const refusal = describeRefusal(error);
  if (refusal !== undefined)
    return `bouheki: ${visibleLines(refusal)}\n  name another path, or mend that one\n`;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `bouheki: this is a bug in bouheki, please report it\n${visibleLines(text)}\n`;
}

/** Of an error that the system gave about a path: that no command expected it is no bug. */
function describeRefusal(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code = '', message, path, syscall = 'use' } = error as NodeJS.ErrnoException;
  if (!Object.hasOwn(REFUSALS, code)) return undefined;
  if (path !== undefined) return `cannot ${syscall} ${path}: ${REFUSALS[code]} (${code})`;
  // What we have found out ourselves has the path in its text.
  return message.startsWith(`${code}: `) ? message.slice(code.length + 2) : undefined;
}
