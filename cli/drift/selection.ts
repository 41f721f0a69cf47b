import type { Reported } from './format/identify.ts';
import type { Acknowledgement } from './ignore-file.ts';

/** A finding that is left out, since somebody has said why. */
interface Acknowledged {
  finding: Reported;
  reason: string;
  /** Until when, microseconds since the epoch. */
  end: number;
}

/** The findings to report, and what has become of the others. */
export interface Selection {
  findings: Reported[];
  acknowledged: Acknowledged[];
  /** Findings that were reported before. */
  known: number;
  /** Findings to report that were acknowledged until a day that has come. */
  expired: number;
}

/** Leaves out what is acknowledged at a time, and what was reported before. */
export function select(
  all: readonly Reported[],
  acknowledgements: readonly Acknowledgement[],
  reported: ReadonlySet<string>,
  now: number,
): Selection {
  // Of two lines with one id the later day counts.
  const ends = new Map<string, Acknowledgement>();
  for (const each of acknowledgements) {
    if ((ends.get(each.id)?.end ?? -Infinity) < each.end) ends.set(each.id, each);
  }
  const selection: Selection = { findings: [], acknowledged: [], known: 0, expired: 0 };
  for (const finding of all) {
    const acknowledgement = ends.get(finding.id);
    if (acknowledgement !== undefined && acknowledgement.end > now) {
      const { end, reason } = acknowledgement;
      selection.acknowledged.push({ finding, reason, end });
    } else if (reported.has(finding.id)) {
      selection.known += 1;
    } else {
      selection.findings.push(finding);
      if (acknowledgement !== undefined) selection.expired += 1;
    }
  }
  return selection;
}
