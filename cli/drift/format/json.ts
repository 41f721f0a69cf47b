import { jsonDocument } from '../../terminal/json-document.ts';
import type { Reported } from './identify.ts';
import type { DriftReport } from './report.ts';

/** A finding as programs read it: what was observed of it is in the lists of the document. */
export interface PlainFinding extends Omit<Reported, 'entries' | 'key'> {
  /** Absent where it is about no address. */
  addresses?: string[];
}

export function plainFinding({ entries, key: _key, ...finding }: Reported): PlainFinding {
  const addresses = entries.flatMap(({ address }) => address ?? []);
  return { ...finding, ...(addresses.length > 0 && { addresses }) };
}

/** The drift as one JSON document. Nothing is left out, whatever the limit. */
export function driftJson({ acknowledged, changes, drift, findings, outliers }: DriftReport): string {
  const { denied, disagreed, new: fresh, shared } = drift;
  return jsonDocument('drift', {
    new: fresh,
    denied,
    disagreed,
    shared,
    changes,
    acknowledged: acknowledged.map(({ end, finding, reason }) => ({ ...plainFinding(finding), reason, end })),
    findings: findings.map(plainFinding),
    ...(outliers && { outliers }),
  });
}
