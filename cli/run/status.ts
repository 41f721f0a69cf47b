import { findKept } from '../../bpf/pin/kept.ts';
import { gapsOf } from '../../profiler/read/stretch.ts';
import { databaseSize } from '../../profiler/serve/database-size.ts';
import { jsonDocument } from '../terminal/json-document.ts';
import { BouhekiError } from '../../error/error.ts';
import { discoveryOf } from '../../generator/discovery.ts';
import { metricsText } from '../../profiler/serve/metrics.ts';
import { openLive, openReader } from '../../profiler/read/read.ts';
import { windowOf, type RecordOptions } from '../option/record-option.ts';
import { statusText, type Status } from '../report/status-text.ts';
import { viewOf } from '../terminal/view.ts';
import { isTerminal } from '../../output/terminal.ts';

/** What `status` was asked for, as commander hands it over. */
export interface StatusOptions extends RecordOptions {
  json: boolean;
  metrics: boolean;
  wide: boolean;
  /** Seconds. */
  atLeast: number;
}

/** Prints what the record holds, or what a recorder counts. */
export async function reportStatus(options: StatusOptions): Promise<void> {
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
      ...keptAlone(),
      recordings: await reader.recordings(),
      gaps: gapsOf(await reader.recordings(windowOf(options))),
      losses: await reader.losses(),
      readiness: discoveryOf(
        await reader.observations(windowOf(options)),
        await reader.accounts(),
        options.atLeast,
      ),
    };
    const json = (): string => jsonDocument('status', status);
    const view = viewOf(process.stdout, options.wide);
    const text = (): string => statusText(status, Date.now() * 1000, isTerminal(process.stdout), view);
    process.stdout.write(options.json ? json() : text());
  } finally {
    reader.close();
  }
}

/** What is enforced although the process has ended that enforced it. */
function keptAlone(): Pick<Status, 'kept'> {
  const kept = (findKept() ?? []).filter(({ alive }) => !alive).flatMap(({ about }) => about ?? []);
  return kept.length === 0 ? {} : { kept };
}

function noRecorder(db: string): BouhekiError {
  return new BouhekiError('no-data', `no recorder runs on ${db}`, {
    remedy:
      'Start `bouheki learn` or `bouheki enforce`; without --metrics, status reports on the record itself.',
  });
}
