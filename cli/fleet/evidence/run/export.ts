import { exportedRow } from '../../../../fleet/evidence/exported-row.ts';
import { readSubject } from '../../../../fleet/evidence/subject.ts';
import type { HubClient } from '../../../../fleet/wire/client.ts';
import type { EvidenceMessage, EvidenceQuery } from '../../../../fleet/wire/message.ts';
import { formatCount } from '../../../../format/number.ts';
import { EXPORTED_LINE, type ExportedRow } from '../../../../profiler/read/export.ts';
import { type ExportTarget, requireTarget, writeExport } from '../../../run/export.ts';
import { type OperatorOptions, withOperator } from '../../operator/run/operator.ts';

/** Which evidence `fleet export` and `fleet query` were asked for. */
export interface WeekOptions extends OperatorOptions {
  /** Since Monday 1970-01-05. */
  week: number;
  workload?: string;
}

/** What `fleet export` was asked for, as commander hands it over. */
export type FleetExportOptions = ExportTarget & WeekOptions;

/** Milliseconds: a large fleet takes an engine some time. */
const PATIENCE = 3_600_000;
/** Lines that are written at a time. */
const PART = 1000;

/** Writes what each host showed in a week, a row for each host, subject, destination and verdict. */
export async function exportFleet(options: FleetExportOptions): Promise<void> {
  requireTarget(options);
  await withOperator(options, (hub) => writeWeek(hub, options, options));
}

/** The same for a hub that is known already. Returns how many rows there were. */
export async function writeWeek(
  hub: HubClient,
  { week, workload = '' }: WeekOptions,
  target: ExportTarget,
): Promise<number> {
  const rows = new WeekRows();
  await writeExport(async function* lines(format) {
    let part: string[] = [];
    for await (const row of rows.read(hub, { week, workload })) {
      part.push(EXPORTED_LINE[format](row));
      if (part.length === PART) yield part.splice(0);
    }
    if (part.length > 0) yield part;
  }, target);
  if (rows.unreadable > 0) {
    process.stderr.write(
      `Left out ${formatCount(rows.unreadable, 'row')} whose subject or socket this version does not know.\n`,
    );
  }
  return rows.written;
}

/** Puts rows together with the hosts and subjects that came before them. */
class WeekRows {
  written = 0;
  unreadable = 0;
  readonly #hosts: string[] = [];
  readonly #subjects: ReturnType<typeof readSubject>[] = [];

  async *read(hub: HubClient, query: EvidenceQuery): AsyncGenerator<ExportedRow> {
    for await (const message of hub.stream('Admin/Evidence', query, { within: PATIENCE })) {
      const row = this.#take(message);
      if (row !== undefined) yield row;
    }
  }

  #take({ host, row, subject }: EvidenceMessage): ExportedRow | undefined {
    if (host) this.#hosts.push(host.name);
    else if (subject) this.#subjects.push(readSubject(subject.toString('utf8')));
    if (!row) return undefined;
    const document = this.#subjects[row.subject];
    const made = document && exportedRow(this.#hosts[row.host] ?? '', document, row);
    if (made === undefined) this.unreadable += 1;
    else this.written += 1;
    return made;
  }
}
