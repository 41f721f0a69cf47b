import { minutesAhead } from '../../format/zone.ts';

const DATE = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?$/i;
const SECONDS = /^(\d{1,10})(?:\.(\d{1,9}))?$/;

/**
 * Microseconds since the epoch of `2026-11-21T09:30:00.5Z`, of the same without a zone (which is UTC), or of
 * seconds since the epoch such as `1795219200.25`. Undefined when the text is none of these.
 */
export function parseTime(text: string): number | undefined {
  const number = SECONDS.exec(text);
  if (number !== null) return Number(number[1]) * 1_000_000 + micros(number[2]);
  const date = DATE.exec(text);
  if (date === null) return undefined;
  const [year, month, day, hour, minute, second] = date.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  // A leap second counts as the first of the next minute.
  if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 60) return undefined;
  const midnight = Date.UTC(year, month - 1, day);
  if (new Date(midnight).getUTCDate() !== day || year < 1970) return undefined;
  const ahead = minutesAhead(date[8] ?? 'Z');
  if (ahead === undefined) return undefined;
  const seconds = hour * 3600 + (minute - ahead) * 60 + second;
  return midnight * 1000 + seconds * 1_000_000 + micros(date[7]);
}

function micros(fraction: string | undefined): number {
  return fraction === undefined ? 0 : Number(fraction.slice(0, 6).padEnd(6, '0'));
}
