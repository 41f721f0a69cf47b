/**
 * Dates changes of regime in real logs: a policy is learnt from the first half of a subject's events, the third quarter is
 * its own too, and from there on it does what another subject of the same log did. Needs the data sets.
 */
import { changesOf } from '../../generator/drift/finding/change.ts';
import { compare } from '../../generator/drift/drift.ts';
import { generatePolicy } from '../../generator/generate.ts';
import { parsePolicy } from '../../policy/file/parse.ts';
import { printPolicy } from '../../policy/file/print.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import type { RecordedObservation } from '../../profiler/read/read.ts';
import { readData } from './generate/data.ts';
import { foldEqual, readNamedEvents } from './generate/named-events.ts';

const LOGS = ['named_rita_home', 'named_proxifier_oct', 'named_otrf_mkt01', 'named_otrf_ws5'];

/** Events of a subject from which on it has enough of a past. */
const ENOUGH = 400;
/** Events from the true place that a date may be away. */
const NEAR = 100;

/** Subjects of which the change must be dated. */
const WANTED = 2;

let [near, tried, early, quiet] = [0, 0, 0, 0];
process.stdout.write(
  'log                  subject                                   events   true   dated  noticed  own half\n',
);
for (const log of LOGS) {
  const text = readData(`${log}.csv.gz`);
  if (text === undefined) {
    process.stdout.write(`${log}: not there\n`);
    continue;
  }
  const subjects = bySubject(readNamedEvents(text));
  for (const [name, events] of subjects) {
    const stranger = mostVaried(subjects.filter(([other]) => other !== name));
    if (events.length < ENOUGH || stranger === undefined) continue;
    const policy = policyOf(events.slice(0, events.length / 2));
    if (policy === undefined) continue;
    report(log, name, policy, events, stranger);
  }
}
process.stdout.write(
  `${near} of ${tried} dated within ${NEAR} events; ${early} noticed before the change; ${quiet} without a change stayed quiet\n`,
);
process.exitCode = near >= WANTED ? 0 : 1;

function report(
  log: string,
  name: string,
  policy: Policy,
  events: readonly RecordedObservation[],
  stranger: readonly RecordedObservation[],
): void {
  const place = Math.floor((events.length * 3) / 4);
  const changed = events.map((event, at) => (at < place ? event : inPlaceOf(event, stranger[at - place])));
  const [change] = changesIn(policy, changed);
  const [alarm] = changesIn(policy, events);
  const placeOf = (time: number | undefined): number =>
    time === undefined ? -1 : events.filter(({ first }) => first < time).length;
  const [dated, noticed] = [placeOf(change?.first), placeOf(change?.noticedAt)];
  tried += 1;
  if (change !== undefined && Math.abs(dated - place) <= NEAR) near += 1;
  if (change !== undefined && noticed < place) early += 1;
  if (alarm === undefined) quiet += 1;
  const cells = [log.padEnd(20), name.slice(-40).padEnd(40), String(events.length).padStart(7)];
  const numbers = [place, dated, noticed].map((value, index) => String(value).padStart([6, 7, 8][index]!));
  const own = alarm === undefined ? 'quiet' : `alarm at ${placeOf(alarm.noticedAt)}`;
  process.stdout.write(`${[...cells, ...numbers, own].join(' ')}\n`);
}

function changesIn(policy: Policy, events: readonly RecordedObservation[]) {
  const { allowed, cases } = compare(policy, foldEqual(events));
  return changesOf(cases, allowed);
}

/** What a stranger did, at the time and in the name of a subject. */
function inPlaceOf(
  event: RecordedObservation,
  stranger: RecordedObservation | undefined,
): RecordedObservation {
  if (stranger === undefined) return event;
  const { address, family, port, protocol } = stranger;
  const { known: _known, names: _names, ...own } = event;
  return { ...own, address, family, port, protocol };
}

/** The events of the subject that went to most destinations. */
function mostVaried(subjects: readonly [string, RecordedObservation[]][]): RecordedObservation[] | undefined {
  const sizes = subjects.map(([, events]) => ({ events, size: foldEqual(events).length }));
  return sizes.toSorted((a, b) => b.size - a.size)[0]?.events;
}

/** Those of most events first. */
function bySubject(events: readonly RecordedObservation[]): [string, RecordedObservation[]][] {
  const subjects = new Map<string, RecordedObservation[]>();
  for (const event of events) {
    const { container, exe } = event.subject;
    const name = exe ?? container ?? '';
    subjects.set(name, [...(subjects.get(name) ?? []), event]);
  }
  return [...subjects].toSorted(([, a], [, b]) => b.length - a.length);
}

function policyOf(events: readonly RecordedObservation[]): Policy | undefined {
  const observations = foldEqual(events);
  const { document } = generatePolicy(
    { observations, activity: [], losses: [], recordings: 1, interrupted: 0 },
    { mode: 'block', target: 'host', deny: [], allowLoss: false, includeDenied: false, version: '0' },
  );
  return parsePolicy(printPolicy(document), 'policy.yaml').policy;
}
