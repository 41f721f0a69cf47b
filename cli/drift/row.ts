import { formatTime } from '../../format/moment.ts';
import type { Drift, DriftEntry } from '../../generator/drift/drift.ts';

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
    {
      title: 'Disagreed: the kernel decided otherwise than this policy reads',
      rows: drift.disagreed.map(cells),
    },
    { title: 'Shared: allowed by a name that only others asked for', rows: drift.shared.map(cells) },
  ].filter((section) => section.rows.length > 0);
}

function cells(entry: DriftEntry): string[] {
  const { count, first, last, subject } = entry;
  return [subject, endpoint(entry), String(count), formatTime(first), formatTime(last), ruleText(entry)];
}

/**
 * `tcp 10.0.0.1:443`, `udp [fd00::1]:53`, `icmp 10.0.0.1`, `opens raw socket`; `tcp api.example:443 (10.0.0.1)` where
 * the address was known by a name.
 */
export function endpoint({ address, names, port, protocol, socket }: DriftEntry): string {
  if (socket !== undefined) return `opens ${socket} socket`;
  const [name] = names ?? [];
  if (name !== undefined) return `${protocol} ${name}${port === 0 ? '' : `:${port}`} (${address})`;
  if (port === 0) return `${protocol} ${address}`;
  return `${protocol} ${address?.includes(':') ? `[${address}]` : address}:${port}`;
}

/** What decides, or what comes near. */
export function ruleText({ nameDrift, recorded, rule }: DriftEntry): string {
  const decided = rule === undefined ? '-' : decisionText(rule);
  const now = nameDrift === undefined ? decided : `${nameDrift}; ${decided}`;
  if (recorded === undefined) return now;
  const then = `was ${recorded.verdict === 'would be denied' ? 'to be denied' : recorded.verdict}`;
  const by = recorded.rule === undefined ? '' : ` by ${recorded.rule}`;
  return `${then}${by}; ${rule === undefined ? 'this policy does not judge it' : `now ${now}`}`;
}

function decisionText({ name, relation }: NonNullable<DriftEntry['rule']>): string {
  switch (relation) {
    case 'allowed by':
    case 'denied by':
      return `${relation} ${name}`;
    case 'other destination':
    case 'other socket':
    case 'other subject':
      return `near ${name} (${relation})`;
  }
}
