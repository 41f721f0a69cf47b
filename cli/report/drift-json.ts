import { printJson } from '../../error/visible.ts';
import type { Drift, DriftEntry } from '../../generator/drift.ts';

/** The drift as one JSON document, times in ISO 8601 (UTC). */
export function driftJson(drift: Drift): string {
  const document = {
    schema: 'bouheki.drift/v1',
    new: drift.new.map(entryJson),
    denied: drift.denied.map(entryJson),
  };
  return `${printJson(document, 2)}\n`;
}

function entryJson(entry: DriftEntry): object {
  return { ...entry, first: isoTime(entry.first), last: isoTime(entry.last) };
}

function isoTime(microseconds: number): string {
  return new Date(Math.floor(microseconds / 1000)).toISOString();
}
