import { Command } from 'commander';
import { statSync } from 'node:fs';
import { BouhekiError } from '../error/error.ts';
import type { LiveStatus } from '../profiler/live-status.ts';
import { metricsText } from '../profiler/metrics.ts';
import { openReader, type Extent, type Loss, type RecordingSummary } from '../profiler/read.ts';
import { databaseOption } from './record-option.ts';
import { statusText } from './status-text.ts';

interface Options {
  db: string;
  json: boolean;
  metrics: boolean;
}

/** Everything that status tells. Sizes in bytes, times in microseconds since the epoch. */
export interface Status {
  database: { path: string; bytes: number; log: number };
  extent: Extent;
  /** The recorder that runs; absent when none does. */
  recorder?: LiveStatus;
  recordings: RecordingSummary[];
  losses: Loss[];
}

const HELP = `
Examples:
  $ bouheki status
  $ bouheki status --json
  $ bouheki status --metrics        for Prometheus; needs a recorder that runs

Exit status: 0 told, 2 trouble.`;

/** `bouheki status`: what is recorded, and what the recorder is doing. */
export function statusCommand(): Command {
  return new Command('status')
    .description('Tell what is recorded, what it lacks, and what a running recorder does')
    .addOption(databaseOption())
    .option('--json', 'print one JSON document', false)
    .option('--metrics', 'print what the running recorder counts, in the text format of Prometheus', false)
    .addHelpText('after', HELP)
    .action(run);
}

async function run(options: Options): Promise<void> {
  const reader = await openReader(options.db);
  try {
    const recorder = await reader.live();
    if (options.metrics) {
      if (recorder === undefined) throw noRecorder(options.db);
      process.stdout.write(metricsText(recorder));
      return;
    }
    const status: Status = {
      database: {
        path: options.db,
        bytes: sizeOf(options.db),
        log: sizeOf(`${options.db}.wal`),
      },
      extent: await reader.extent(),
      ...(recorder && { recorder }),
      recordings: await reader.recordings(),
      losses: await reader.losses(),
    };
    const json = (): string => `${JSON.stringify({ schema: 'bouheki.status/v1', ...status }, null, 2)}\n`;
    process.stdout.write(options.json ? json() : statusText(status, Date.now() * 1000));
  } finally {
    reader.close();
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function noRecorder(db: string): BouhekiError {
  return new BouhekiError('no-data', `no recorder runs on ${db}`, {
    remedy: 'Start `bouheki learn` or `bouheki enforce`; without --metrics the record itself is told of.',
  });
}
