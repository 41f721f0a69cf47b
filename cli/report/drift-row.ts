import { formatTime } from '../../format/moment.ts';
import type { Drift, DriftEntry } from '../../generator/drift.ts';

/** A part of a drift report. Cells are as they were recorded: the reporter makes them safe to print. */
export interface DriftSection {
  title: string;
  rows: string[][];
}

/** The columns of every section. */
export const DRIFT_COLUMNS = ['Subject', 'Destination', 'Count', 'First', 'Last', 'Rule'];

/** The sections that have something to say. */
export function driftSections(drift: Drift): DriftSection[] {
  return [
    { title: 'New: connections that the policy would not allow', rows: drift.new.map(cells) },
    { title: 'Denied: attempts that were stopped', rows: drift.denied.map(cells) },
  ].filter((section) => section.rows.length > 0);
}

function cells(entry: DriftEntry): string[] {
  const { count, first, last, subject } = entry;
  return [subject, endpoint(entry), String(count), formatTime(first), formatTime(last), ruleText(entry)];
}

/** `tcp 10.0.0.1:443`, `udp [fd00::1]:53`, `icmp 10.0.0.1`, `opens raw socket`. */
function endpoint({ address, port, protocol, socket }: DriftEntry): string {
  if (socket !== undefined) return `opens ${socket} socket`;
  if (port === 0) return `${protocol} ${address}`;
  return `${protocol} ${address?.includes(':') ? `[${address}]` : address}:${port}`;
}

function ruleText({ rule }: DriftEntry): string {
  if (rule === undefined) return '-';
  return rule.relation === 'denied by' ? `denied by ${rule.name}` : `near ${rule.name} (${rule.relation})`;
}
