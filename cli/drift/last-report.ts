import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { BouhekiError } from '../../error/error.ts';
import { printJson } from '../../error/visible.ts';
import { writeOutput } from '../option/output-file.ts';

/** What `--since last` remembers of a policy: up to when its record was reported, and the ids that were. */
export interface LastReport {
  /** Microseconds since the epoch; what was recorded from then on is not reported yet. */
  until: number;
  /** Those that were reported last are last. */
  ids: string[];
}

/** Ids that are remembered of a policy: those that were not seen for longest are forgotten first. */
const MOST_IDS = 10_000;

const SCHEMA = 'bouheki.drift-reports/v1';

/** The file beside a record. The record's directory is one that only root and its user can write to. */
function fileOf(db: string): string {
  return `${db}.drift.json`;
}

/** What was reported of a policy; undefined where nothing was. Throws BouhekiError `usage` where the file is none of ours. */
export function readLastReport(db: string, policy: string): LastReport | undefined {
  return reportsOf(db)[resolve(policy)];
}

/** Remembers that these ids were reported, and what is to be reported next. */
export function rememberReport(db: string, policy: string, { ids, until }: LastReport): void {
  const reports = reportsOf(db);
  const before = reports[resolve(policy)]?.ids ?? [];
  const fresh = new Set(ids);
  const all = [...before.filter((id) => !fresh.has(id)), ...ids];
  reports[resolve(policy)] = { until, ids: all.slice(-MOST_IDS) };
  writeOutput(fileOf(db), `${printJson({ schema: SCHEMA, reports })}\n`);
}

function reportsOf(db: string): Record<string, LastReport> {
  let text: string;
  try {
    text = readFileSync(fileOf(db), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw unreadable(db, error);
  }
  try {
    const { reports, schema } = JSON.parse(text) as { schema: string; reports: Record<string, LastReport> };
    if (schema === SCHEMA) return reports;
  } catch (error) {
    throw unreadable(db, error);
  }
  throw unreadable(db, undefined);
}

function unreadable(db: string, error: unknown): BouhekiError {
  return new BouhekiError('usage', `cannot read what was reported last: ${fileOf(db)}`, {
    remedy: 'Remove that file, and everything is reported once more.',
    ...(error instanceof Error && { detail: error.message, cause: error }),
  });
}
