import { visibleJson } from '../../error/visible.ts';
import { formatExactMoment } from '../../format/moment.ts';

/** What a document for programs is about: `--json` of a command is one document, with this as its `schema`. */
export type Topic =
  | 'check'
  | 'close'
  | 'curve'
  | 'diff'
  | 'doctor'
  | 'drift'
  | 'explain'
  | 'generate'
  | 'merge'
  | 'preflight'
  | 'review'
  | 'risks'
  | 'status';

/** Under these names there are points in time, microseconds since the epoch inside the program. */
const TIMES: ReadonlySet<string> = new Set([
  'first',
  'last',
  'startedAt',
  'endedAt',
  'loadedAt',
  'start',
  'end',
]);

/** A document with its schema; points in time are in ISO 8601 (UTC), and nothing unsafe is in it. */
export function jsonDocument(topic: Topic, body: object): string {
  const document = { schema: `bouheki.${topic}/v1`, ...body };
  const json = JSON.stringify(
    document,
    (key, value: unknown) => (typeof value === 'number' && TIMES.has(key) ? formatExactMoment(value) : value),
    2,
  );
  return `${visibleJson(json)}\n`;
}
