import { visibleJson } from '../../error/visible.ts';
import { formatExactMoment } from '../../format/moment.ts';

/**
 * What a document for programs is about: `--json` of a command is one document, with this as its `schema`, as docs/record.md
 * has them.
 */
export const TOPICS = [
  'check',
  'close',
  'connection',
  'curve',
  'diff',
  'doctor',
  'drift',
  'explain',
  'explain-record',
  'finding',
  'findings',
  'fleet-hosts',
  'fleet-outliers',
  'fleet-rollout',
  'fleet-status',
  'generate',
  'ladder',
  'merge',
  'missed',
  'preflight',
  'review',
  'risks',
  'simulate',
  'status',
  'version',
] as const;

export type Topic = (typeof TOPICS)[number];

/** Under these names there are points in time, microseconds since the epoch inside the program. */
const TIMES: ReadonlySet<string> = new Set([
  'first',
  'last',
  'startedAt',
  'endedAt',
  'loadedAt',
  'noticedAt',
  'start',
  'end',
]);

/** A document with its schema; points in time are in ISO 8601 (UTC), and nothing unsafe is in it. */
export function jsonDocument(topic: Topic, body: object): string {
  return print(topic, body, 2);
}

/** The same on one line, for streams of documents. */
export function jsonLine(topic: Topic, body: object): string {
  return print(topic, body);
}

function print(topic: Topic, body: object, indent?: number): string {
  const document = { schema: `bouheki.${topic}/v1`, ...body };
  const json = JSON.stringify(
    document,
    (key, value: unknown) => (typeof value === 'number' && TIMES.has(key) ? formatExactMoment(value) : value),
    indent,
  );
  return `${visibleJson(json)}\n`;
}
