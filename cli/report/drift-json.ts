import { printJson } from '../../error/visible.ts';
import { formatExactMoment } from '../../format/moment.ts';
import type { Drift, DriftEntry } from '../../generator/drift.ts';

/** The drift as one JSON document, times in ISO 8601 (UTC). */
export function driftJson(drift: Drift): string {
  const document = {
    schema: 'bouheki.drift/v1',
    new: drift.new.map(entryJson),
    denied: drift.denied.map(entryJson),
    disagreed: drift.disagreed.map(entryJson),
  };
  return `${printJson(document, 2)}\n`;
}

function entryJson(entry: DriftEntry): object {
  return { ...entry, first: formatExactMoment(entry.first), last: formatExactMoment(entry.last) };
}
