import pino from 'pino';
import { replaceUnsafe, visibleJson } from '../../error/visible.ts';
import { formatMoment } from '../../format/moment.ts';
import { type LineFormat, MESSAGE, MISSING, type VerdictEntry } from './entry.ts';

/** Lines of JSON with the fields that users parse already. `now`: milliseconds since the epoch. */
export function jsonLines(labels: Readonly<Record<string, string>>, now: () => number): LineFormat {
  /** What pino made of the last entry. */
  let json = '';
  const logger = pino(
    {
      base: labels,
      hooks: { streamWrite: visibleJson },
      formatters: { level: (label) => ({ level: label }) },
      timestamp: () => `,"time":"${formatMoment(now() * 1000)}"`,
    },
    { write: (line) => void (json = line) },
  );
  return {
    verdict: (entry) => {
      logger.info(fieldsOf(entry), MESSAGE);
      return json;
    },
    missing: (count) => {
      logger.warn({ Dropped: count }, MISSING);
      return json;
    },
  };
}

/** Lines of text, with the seconds that have `passed` since the start in front. */
export function textLines(passed: () => number): LineFormat {
  const seconds = () => String(Math.floor(passed() / 1000)).padStart(4, '0');
  return {
    verdict: (entry) => {
      const { Action, ...rest } = fieldsOf(entry);
      const fields = Object.entries({ Action: Action === 'BLOCKED' ? 'block' : 'monitor', ...rest });
      const text = fields.map(([name, value]) => `${name}=${printable(String(value))}`).join(' ');
      return `INFO[${seconds()}] ${MESSAGE}             ${text}\n`;
    },
    missing: (count) => `WARN[${seconds()}] ${MISSING} Dropped=${count}\n`,
  };
}

/** The names of fields in the log, in their order. */
const FIELD_NAMES = {
  action: 'Action',
  address: 'Addr',
  command: 'Comm',
  hostname: 'Hostname',
  pid: 'PID',
  port: 'Port',
  socket: 'Socket',
  exe: 'Exe',
  uid: 'UID',
  user: 'User',
  protocol: 'Protocol',
  name: 'Name',
  parentCommand: 'ParentComm',
  ancestors: 'Ancestors',
  container: 'Container',
  image: 'Image',
  rule: 'Rule',
  policy: 'Policy',
  count: 'Count',
} as const satisfies Record<Exclude<keyof VerdictEntry, 'nearest'>, string>;

/** Those that the entry has. */
function fieldsOf(entry: VerdictEntry): Record<string, string | number> {
  const fields: Record<string, string | number> = {};
  for (const key of Object.keys(FIELD_NAMES) as (keyof typeof FIELD_NAMES)[]) {
    const value = entry[key];
    if (value !== undefined) fields[FIELD_NAMES[key]] = value;
  }
  return fields;
}

/**
 * Names are chosen by the processes that are watched: nothing of them may end a line, move a cursor or pose
 * as a field.
 */
function printable(text: string): string {
  const escaped = replaceUnsafe(text.replace(/["\\\ufffd]/g, escape), escape);
  return escaped === '' || /[\s=]/.test(escaped) || escaped !== text ? `"${escaped}"` : escaped;
}

function escape(character: string): string {
  const code = character.codePointAt(0)!;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
}
