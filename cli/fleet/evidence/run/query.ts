import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BouhekiError } from '../../../../error/error.ts';
import { visible } from '../../../../error/visible.ts';
import { weekStart } from '../../../../fleet/wire/week.ts';
import { formatTime } from '../../../../format/moment.ts';
import { importFiles } from '../../../../profiler/import/import.ts';
import { queryWithinLimits } from '../../../query/query-limits.ts';
import { withOperator } from '../../operator/run/operator.ts';
import { type WeekOptions, writeWeek } from './export.ts';

/** What `fleet query` was asked for, as commander hands it over. */
export interface FleetQueryOptions extends WeekOptions {
  json: boolean;
  wide: boolean;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Makes a record of what hosts showed in a week, answers a statement from it, and removes it. */
export async function queryFleet(sql: string, { json, wide, ...options }: FleetQueryOptions): Promise<void> {
  await inOwnDirectory(async (directory) => {
    const [output, db] = [join(directory, 'week.csv'), join(directory, 'week.duckdb')];
    const rows = await withOperator(options, (hub) => writeWeek(hub, options, { format: 'csv', output }));
    if (rows === 0) throw nothing(options);
    await importFiles([output], {
      db,
      format: 'csv',
      // A host may have written what is no row: it must not keep the others from being asked.
      skipBad: true,
      again: false,
      bad: (message) => void process.stderr.write(`Left out ${visible(message)}\n`),
    });
    await queryWithinLimits(db, json ? 'json' : wide ? 'wide table' : 'table', sql);
  });
}

function nothing({ week, workload }: WeekOptions): BouhekiError {
  const whose = workload === undefined ? '' : ` of workload ${workload}`;
  const monday = formatTime(weekStart(week)).slice(0, 10);
  return new BouhekiError('no-data', `no host${whose} showed anything in the week from ${monday} on`, {
    remedy: 'Name another week with --week; `bouheki fleet hosts` shows which hosts report.',
  });
}

/** In a directory that nobody else can enter, and that is gone afterwards, also when a signal ends the program. */
async function inOwnDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'bouheki-fleet-'));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  const end = (signal: NodeJS.Signals): void => {
    remove();
    leave();
    process.kill(process.pid, signal);
  };
  const leave = (): void => {
    for (const signal of SIGNALS) process.off(signal, end);
  };
  for (const signal of SIGNALS) process.on(signal, end);
  try {
    await work(directory);
  } finally {
    leave();
    remove();
  }
}
