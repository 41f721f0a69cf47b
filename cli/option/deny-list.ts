import { BouhekiError } from '../../error/error.ts';
import { formatPrefix, readPrefix, type Prefix } from '../../policy/value/cidr.ts';
import { prefixGroup } from '../../policy/value/prefix-group.ts';
import type { Warn } from './policy-file.ts';
import { readTrustedText } from './trusted-text.ts';

/**
 * The prefixes of `--deny` values: each a CIDR, an address, the name of a group, or `@FILE` with one of these
 * a line (`#` begins a comment). Throws BouhekiError `usage` with file and line, also for a file without an
 * entry, and `untrusted` for a file that others can write.
 */
export function readDenyList(values: readonly string[], warn: Warn): Prefix[] {
  return values.flatMap((value) =>
    value.startsWith('@') ? fileEntries(value.slice(1), warn) : entry(value, '--deny', warn),
  );
}

function fileEntries(path: string, warn: Warn): Prefix[] {
  let text: string;
  try {
    text = readTrustedText(path);
  } catch (error) {
    if (error instanceof BouhekiError) throw error;
    throw new BouhekiError('usage', `cannot read the deny list ${path}`, {
      remedy: 'Name a file that exists and that you may read.',
      detail: (error as Error).message,
      cause: error,
    });
  }
  const prefixes = text.split('\n').flatMap((line, index) => {
    const content = line.replace(/#.*/, '').trim();
    return content === '' ? [] : entry(content, `${path}:${index + 1}`, warn);
  });
  if (prefixes.length > 0) return prefixes;
  // What should be denied would be allowed, if it was recorded.
  throw new BouhekiError('usage', `the deny list ${path} is empty`, {
    remedy: 'Write what to deny into it, one a line, or leave it out.',
  });
}

function entry(text: string, where: string, warn: Warn): readonly Prefix[] {
  const group = prefixGroup(text);
  if (group !== undefined) return group;
  const reading = readPrefix(text);
  if ('prefix' in reading) {
    if (reading.cleared)
      warn(`${where}: ${text} has host bits set and is read as ${formatPrefix(reading.prefix)}\n`);
    return [reading.prefix];
  }
  throw new BouhekiError('usage', `${where}: ${reading.fault}`, {
    remedy:
      'Write an address, a CIDR such as 10.0.0.0/8, a group such as metadata, or @FILE with one a line.',
  });
}
