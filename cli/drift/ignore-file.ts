import { BouhekiError } from '../../error/error.ts';
import { parseMoment } from '../../format/moment.ts';
import { readTrustedText } from '../option/trusted-text.ts';

/** A finding that somebody has decided to leave. */
export interface Acknowledgement {
  id: string;
  reason: string;
  /** Until when, microseconds since the epoch. */
  end: number;
}

const REMEDY = 'Write ID DATE REASON a line, such as: 0a1b2c3d4e5f 2027-01-31 scanner of the security team';

/**
 * Reads acknowledgements: a finding's id, the day from which on it is reported again, and the reason, one a line; `#`
 * begins a comment. Throws BouhekiError `usage` with file and line, and `untrusted` for a file that others can write: they
 * could hide what they do.
 */
export function readAcknowledgements(path: string): Acknowledgement[] {
  let text: string;
  try {
    text = readTrustedText(path);
  } catch (error) {
    if (error instanceof BouhekiError) throw error;
    throw new BouhekiError('usage', `cannot read the acknowledgements ${path}`, {
      remedy: 'Name a file that exists and that you may read.',
      detail: (error as Error).message,
      cause: error,
    });
  }
  return text.split('\n').flatMap((line, index) => {
    const content = line.replace(/(^|\s)#.*/, '').trim();
    return content === '' ? [] : [acknowledgementOf(content, `${path}:${index + 1}`)];
  });
}

function acknowledgementOf(content: string, where: string): Acknowledgement {
  const [, id, day, reason] = /^(\S+)(?:\s+(\S+)(?:\s+(.*))?)?$/.exec(content)!;
  const fail = (what: string): never => {
    throw new BouhekiError('usage', `${where}: ${what}`, { remedy: REMEDY });
  };
  if (!/^[0-9a-v]{12}$/.test(id!)) return fail(`${id} is no id of a finding`);
  const end = day !== undefined && /^\d{4}-/.test(day) ? parseMoment(day, 0) : undefined;
  if (end === undefined) return fail(`${day ?? 'nothing'} is no day until which it is acknowledged`);
  if (reason === undefined || reason === '') return fail('the reason is missing');
  return { id: id!, reason, end };
}
