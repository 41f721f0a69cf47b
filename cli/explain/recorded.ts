import { BouhekiError } from '../../error/error.ts';
import {
  addToEntry,
  type DriftEntry,
  entryKey,
  entryOf,
  eventsOf,
  partyOf,
  type Party,
  recordedOf,
} from '../../generator/drift/entry.ts';
import { lackLine } from '../../generator/header.ts';
import { flowOf } from '../../generator/subject/flow.ts';
import { explainFlow, type Explanation } from '../../policy/analysis/explain.ts';
import type { Parsed } from '../../policy/file/parse.ts';
import { isJudged } from '../../policy/meaning/evaluate.ts';
import { compileEvaluator } from '../../policy/meaning/evaluator.ts';
import { endsOf } from '../../policy/meaning/end.ts';
import { namesHosts } from '../../policy/meaning/known-name.ts';
import { followLinks } from '../../policy/meaning/linked-path.ts';
import type { AccountTable, Flow } from '../../policy/meaning/policy.ts';
import type { Accounts } from '../../profiler/read/observation.ts';
import { isEventLoss, openReader, type Reader, type RecordedObservation } from '../../profiler/read/read.ts';
import { accountsFor } from '../option/account-table.ts';
import { describeUnknownHost, judgedHost, onHost } from '../option/fleet-host.ts';
import { describeLinks, realPaths } from '../option/linked-path.ts';
import { parseWithPlaces, readPolicyText } from '../option/policy-file.ts';
import { warnAtOnce } from '../option/policy-reader.ts';
import { type RecordOptions, windowOf } from '../option/record-option.ts';
import { withIds } from './connection.ts';
import { recordedJson, recordedText } from './recorded-text.ts';
import { boxesAbout, type Seen, type Selection, selects } from './selection.ts';

/** What of the record is to be explained, as commander hands it over. */
export interface RecordedOptions extends Selection, RecordOptions {
  /** When it happened: all of that second, minute or day. */
  at?: { since: number; until: number };
  /** Raw rows of each. */
  rows: number;
  /** How many are printed, 0 for all. */
  limit: number;
}

/** Connections of one subject to one destination that the kernel decided alike, and what the policy says of them. */
export interface Explained {
  entry: DriftEntry;
  flow: Flow;
  explanation: Explanation;
  /** One of those that it is folded of. */
  observations: RecordedObservation[];
  /** The latest first, with the columns of an export. */
  rows: Record<string, unknown>[];
}

/** All that was found. */
export interface RecordedReport {
  parsed: Required<Parsed>;
  /** Boxes that speak of it. */
  about: number[];
  /** Those that the policy denies first, then by events. */
  found: Explained[];
}

/** Prints what the record has of a rule, an address, a name, a subject or a time, and what the policy says of each. */
export async function explainRecorded(file: string, options: RecordedOptions): Promise<void> {
  const selection = { ...(await withIds(options)), ...options };
  const written = parseWithPlaces(readPolicyText(file), file, warnAtOnce);
  const { links, policy } = followLinks(written.policy, realPaths);
  const parsed = { ...written, policy };
  refuseUnknownRule(parsed, selection.rule);
  const reader = await openReader(options.db);
  try {
    const window = options.at ?? windowOf(options);
    // Folded otherwise they have the best name of each event alone.
    const byNames = namesHosts(policy) || selection.name.length > 0;
    const ends = endsOf(policy);
    const host = judgedHost(options.host);
    const all = await reader.observations({ ...window, byNames, ends, intents: true });
    const recorded = onHost(policy, all, host);
    const accounts = await reader.accounts();
    const called = await accountsFor(policy, accounts);
    const { found, seen } = explainAll(parsed, recorded, { selection, accounts, called });
    const about = boxesAbout(policy, selection, seen);
    const shown = options.json || options.limit === 0 ? found : found.slice(0, options.limit);
    for (const each of shown) each.rows = await rowsOf(reader, each, window, options.rows);
    const report = { parsed, about, found };
    process.stdout.write(options.json ? recordedJson(report) : recordedText(report, shown.length));
    const losses = (await reader.losses(window)).filter(isEventLoss);
    const none = found.length === 0 ? 'Nothing in the record matches.\n' : '';
    const unknown = describeUnknownHost(policy, host);
    process.stderr.write(`${describeLinks(links)}${unknown}${none}${lackLine(losses)}`);
    if (found.some(({ explanation }) => explanation.verdict.action === 'deny')) process.exitCode = 1;
  } finally {
    reader.close();
  }
}

function refuseUnknownRule({ policy }: Required<Parsed>, rule: string | undefined): void {
  if (rule === undefined || policy.boxes.some(({ name }) => name === rule)) return;
  const names = [...new Set(policy.boxes.map(({ name }) => name))].slice(0, 8).join(', ');
  throw new BouhekiError('usage', `the policy has no rule ${rule}`, {
    remedy: `Give the name of one: ${names}.`,
  });
}

/** What is selected, folded and explained. */
function explainAll(
  { policy }: Required<Parsed>,
  recorded: readonly RecordedObservation[],
  { accounts, called, selection }: { selection: Selection; accounts: Accounts; called: AccountTable },
): { found: Explained[]; seen: Seen[] } {
  const judge = compileEvaluator(policy);
  const isSelected = selects(selection);
  const parties = new Map<object, Party>();
  const found = new Map<string, Explained>();
  const seen: Seen[] = [];
  for (const observation of recorded) {
    const { subject } = observation;
    const party = parties.get(subject) ?? partyOf(subject, accounts);
    parties.set(subject, party);
    const flow = flowOf(observation, called);
    const box = isJudged(policy, flow) ? judge(flow).box : undefined;
    const each = { observation, flow, party, ...(box !== undefined && { rule: policy.boxes[box]!.name }) };
    if (!isSelected(each)) continue;
    seen.push(each);
    const then = recordedOf(observation);
    const key = JSON.stringify([
      entryKey(observation, party),
      then,
      box ?? null,
      observation.intent ?? false,
    ]);
    const known = found.get(key);
    if (known === undefined) {
      const entry = entryOf(observation, party, { recorded: then });
      const explanation = explainFlow(policy, flow);
      found.set(key, { entry, flow, explanation, observations: [observation], rows: [] });
    } else {
      addToEntry(known.entry, observation);
      known.observations.push(observation);
    }
  }
  return { found: inOrder([...found.values()]), seen };
}

function inOrder(found: Explained[]): Explained[] {
  const denied = ({ explanation }: Explained): number => Number(explanation.verdict.action === 'deny');
  return found.toSorted((a, b) => denied(b) - denied(a) || eventsOf([b.entry]) - eventsOf([a.entry]));
}

async function rowsOf(
  reader: Reader,
  { observations }: Explained,
  window: { since?: number; until?: number },
  most: number,
): Promise<Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = [];
  if (most === 0) return rows;
  for (const observation of observations) rows.push(...(await reader.rowsOf(observation, window, most)));
  // Observations that names tell apart are of the same rows.
  const distinct = [...new Map(rows.map((row) => [JSON.stringify(row), row])).values()];
  return distinct.toSorted((a, b) => (String(a['ts']) < String(b['ts']) ? 1 : -1)).slice(0, most);
}
