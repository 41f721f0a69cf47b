import { jsonDocument } from './terminal/json-document.ts';
import { Command } from 'commander';
import { BouhekiError } from '../error/error.ts';
import { discoveryOf } from '../generator/discovery.ts';
import { databaseSize } from '../profiler/serve/database-size.ts';
import { metricsText } from '../profiler/serve/metrics.ts';
import { openLive, openReader } from '../profiler/read/read.ts';
import {
  databaseOption,
  sinceOption,
  untilOption,
  windowOf,
  type RecordOptions,
} from './option/record-option.ts';
import { statusText, type Status } from './report/status-text.ts';
import { viewOf } from './terminal/view.ts';
import { wideOption } from './option/wide-option.ts';
import { isTerminal } from '../output/terminal.ts';

interface Options extends RecordOptions {
  json: boolean;
  metrics: boolean;
  wide: boolean;
}

const HELP = `
Examples:
  $ bouheki status
  $ bouheki status --json
  $ bouheki status --since 7d           readiness of the last week alone
  $ bouheki status --metrics            for Prometheus; needs a recorder that runs

A subject is stable when it does almost nothing new, and learning when it still does much that is new. Unseen is the
cautious estimate of generate: at least the share of events in the last fifth of the window that the rest did not have.
Discovery counts the destinations known at the end of each tenth of the window: it flattens when little is left to learn.

Exit status: 0 reported, 2 trouble.`;

/** `bouheki status`: what is recorded, and what the recorder is doing. */
export function statusCommand(): Command {
  return new Command('status')
    .addOption(databaseOption())
    .addOption(sinceOption('readiness from what happened at or after this time'))
    .addOption(untilOption('readiness from what happened before this time'))
    .option('--json', 'print one JSON document', false)
    .option('--metrics', 'print what the running recorder counts, in the text format of Prometheus', false)
    .addOption(wideOption())
    .addHelpText('after', HELP)
    .action(run);
}

async function run(options: Options): Promise<void> {
  if (options.metrics) {
    const recorder = await openLive(options.db);
    if (recorder === undefined) throw noRecorder(options.db);
    process.stdout.write(metricsText(recorder));
    return;
  }
  const reader = await openReader(options.db);
  try {
    const recorder = reader.live;
    const status: Status = {
      database: { path: options.db, ...databaseSize(options.db) },
      extent: await reader.extent(),
      ...(recorder && { recorder }),
      recordings: await reader.recordings(),
      losses: await reader.losses(),
      readiness: discoveryOf(await reader.observations(windowOf(options)), await reader.accounts()),
    };
    const json = (): string => jsonDocument('status', status);
    const view = viewOf(process.stdout, options.wide);
    const text = (): string => statusText(status, Date.now() * 1000, isTerminal(process.stdout), view);
    process.stdout.write(options.json ? json() : text());
  } finally {
    reader.close();
  }
}

function noRecorder(db: string): BouhekiError {
  return new BouhekiError('no-data', `no recorder runs on ${db}`, {
    remedy:
      'Start `bouheki learn` or `bouheki enforce`; without --metrics, status reports on the record itself.',
  });
}
