import { formatCount, formatNumber, formatPercent } from '../format/number.ts';
import type { Generated, GenerateInput } from './generate.ts';
import { describeLosses } from './header.ts';
import { describeRanges } from './rule/port-evidence.ts';
import { OddityFinder, severityOf } from './subject/oddity.ts';
import { observedDestination } from './destination/destination.ts';

/** Something about a generated policy that a person should know before it is used. */
export interface Risk {
  /** One sentence without its full stop. */
  text: string;
  /** Those that it is about, in order; empty where it is about the whole. */
  subjects: string[];
}

/** How many are told. */
export const TOLD = 10;

/** Share of events denied in the hold-out from which on that comes before the marks of chance. */
const MANY_DENIED = 0.01;

/**
 * Where each kind stands, what can do most harm first. Marks stand by their severity, which is a whole number from 0 on;
 * these stand between them.
 */
const RANK = {
  loss: -1,
  wide: severityOf('range of ports') - 0.5,
  denied: severityOf('first seen in the last tenth') - 0.5,
  left: severityOf('first seen in the last tenth') - 0.4,
  unready: severityOf('seen once') + 0.5,
  window: severityOf('seen once') + 0.6,
} as const;

/** All risks of a policy, the worst first: of equal ones that of most subjects, then by their texts. */
export function risksOf(generated: Generated, { losses }: Pick<GenerateInput, 'losses'>): Risk[] {
  const ranked = [
    ...(losses.length === 0
      ? []
      : [{ rank: RANK.loss, text: `the record lacks events: ${describeLosses(losses)}`, subjects: [] }]),
    ...marksOf(generated),
    ...rangesOf(generated),
    ...breadthOf(generated),
    ...aheadOf(generated),
    ...generated.periods.map((text) => ({ rank: RANK.window, text: text.replace(/\.$/, ''), subjects: [] })),
  ];
  return ranked
    .toSorted(
      (a, b) => a.rank - b.rank || b.subjects.length - a.subjects.length || (a.text < b.text ? -1 : 1),
    )
    .map(({ subjects, text }) => ({ text, subjects }));
}

type Ranked = Risk & { rank: number };

/** What is marked, each kind of reason once for all subjects. */
function marksOf({ demands }: Generated): Ranked[] {
  const oddities = new OddityFinder(demands.flatMap(({ observations }) => observations));
  const found = new Map<number, Marked>();
  for (const { observations, subject } of demands) {
    for (const observation of observations) {
      for (const reason of oddities.reasons(observation)) {
        const kind = severityOf(reason);
        const known = found.get(kind) ?? { reasons: new Set(), subjects: new Set(), places: new Set() };
        found.set(kind, known);
        known.reasons.add(reason);
        known.subjects.add(subject.name);
        known.places.add(observedDestination(observation));
      }
    }
  }
  return [...found].map(([rank, { places, reasons, subjects }]) => {
    const [reason] = [...reasons].sort();
    const more = reasons.size === 1 ? '' : ` and ${reasons.size - 1} like it`;
    const [place] = [...places].sort();
    const where = places.size === 1 ? place : `${formatNumber(places.size)} destinations, such as ${place}`;
    return { rank, text: `${reason}${more}: ${where}`, subjects: [...subjects].sort() };
  });
}

/** What is marked for reasons of one kind. */
interface Marked {
  reasons: Set<string>;
  subjects: Set<string>;
  places: Set<string>;
}

function rangesOf({ names, rules }: Generated): Ranked[] {
  return rules.flatMap((rule, index) =>
    describeRanges(rule).map((text) => ({ rank: severityOf(text), text, subjects: [names[index]!] })),
  );
}

/** What is allowed beyond what was seen. */
function breadthOf({ document, grant }: Generated): Ranked[] {
  if (document.flat !== undefined) {
    const text =
      'one flat box allows every subject every destination, combinations that were not seen among them';
    return [{ rank: RANK.wide, text, subjects: [] }];
  }
  if (grant.allowed <= grant.observed) return [];
  const text = `${formatNumber(grant.allowed)} addresses are allowed for ${formatNumber(grant.observed)} that were seen`;
  return [{ rank: RANK.wide, text, subjects: [] }];
}

/** What will be denied, as far as that can be known. */
function aheadOf({ demands, holdOut, omissions, readiness }: Generated): Ranked[] {
  const risks: Ranked[] = [];
  const share = holdOut.events === 0 ? 0 : holdOut.denied / holdOut.events;
  if (share > 0) {
    const rank = share >= MANY_DENIED ? RANK.denied : RANK.unready;
    const text = `learnt from the first 80 % of the window, it would deny ${formatPercent(share)} of ${formatCount(holdOut.events, 'event')} in the rest`;
    const most = holdOut.subjects.toSorted((a, b) => b.denied - a.denied);
    risks.push({ rank, text, subjects: most.map(({ name }) => name) });
  }
  const reasons = [...new Set(omissions.map(({ reason }) => reason))];
  for (const reason of reasons) {
    const subjects = omissions.filter((each) => each.reason === reason).map(({ subject }) => subject);
    risks.push({ rank: RANK.left, text: `recorded, but not allowed: ${reason}`, subjects });
  }
  const learning = demands.filter(({ subject }) => readiness.get(subject.key)?.state === 'learning');
  if (learning.length > 0) {
    const subjects = learning.map(({ subject }) => subject.name);
    risks.push({ rank: RANK.unready, text: 'too little was seen to know what comes next', subjects });
  }
  return risks;
}
