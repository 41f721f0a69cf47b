import type { Entry, Rule } from '../../../generator/rule/rule.ts';
import { ruleSubject } from '../../../generator/subject/subject.ts';
import { prefixOf, type Prefix } from '../../../policy/value/cidr.ts';
import type { PortRange } from '../../../policy/value/port.ts';
import { mergePrefixes } from '../../../policy/value/prefix-set.ts';
import { hasPorts } from '../../../policy/value/protocol.ts';
import type { RecordedObservation } from '../../../profiler/read/read.ts';
import { destinationAddress } from '../../../generator/destination/destination.ts';

/** A policy in the form in which ours are judged: rules, and the prefixes of each of their entries. */
export interface Candidate {
  name: string;
  rules: readonly Rule[];
  lists: Prefix[][][];
}

/** One box of lists: everybody everywhere. */
export const FLAT = '(c) one flat box';

/** A subject with many addresses gets the internet. */
export const GIVES_UP = '(d) the internet from 20 addresses on';

const exact = (observed: Prefix[]): Prefix[] => observed;

/** What other learners make of a record. */
export function rivals(history: readonly RecordedObservation[]): Candidate[] {
  const subjects = perSubject(history);
  const widened = (
    name: string,
    widen: (observed: Prefix[]) => Prefix[],
    rules: readonly Rule[] = subjects,
  ): Candidate => ({
    name,
    rules,
    lists: rules.map(({ entries }) => entries.map(({ observed }) => widen(observed))),
  });
  return [
    widened('(a) exact addresses x ports for each subject', exact),
    widened('(b) /24 x ports for each subject', (observed) => mergePrefixes(observed.map(to24))),
    widened(FLAT, exact, [oneBox(history)]),
    widened(
      GIVES_UP,
      (observed) => (addressesOf(observed) < 20 ? observed : EVERYTHING),
      subjects.map(withPortClasses),
    ),
    widened('(d) prefixes of five children and more', collapse),
  ];
}

/** How grsecurity's gradm learns, as far as published: 20 addresses are the internet, 6 low or 5 high ports all of them. */
const EVERYTHING: Prefix[] = [
  { family: 4, value: 0n, length: 0 },
  { family: 6, value: 0n, length: 0 },
];

function withPortClasses(rule: Rule): Rule {
  return {
    ...rule,
    entries: rule.entries.map(({ ports, ...entry }): Entry => ({
      ...entry,
      ...(ports && {
        ports: [
          ...portClass(ports, { first: 0, last: 1023 }, 5),
          ...portClass(ports, { first: 1024, last: 65_535 }, 4),
        ],
      }),
    })),
  };
}

/** All ports of the class when more than `most` of them were seen. */
function portClass(ports: readonly PortRange[], whole: PortRange, most: number): PortRange[] {
  const inside = ports.filter(({ first }) => first >= whole.first && first <= whole.last);
  return inside.length > most ? [whole] : inside;
}

/** gradm's reduction of directories, on addresses: a prefix with more than four distinct next octets is taken whole. */
function collapse(observed: Prefix[]): Prefix[] {
  let prefixes = observed;
  for (const length of [24, 16, 8, 0]) {
    const parents = new Map<bigint, Prefix[]>();
    for (const prefix of prefixes) {
      if (prefix.family === 6 || prefix.length <= length) continue;
      const parent = prefix.value >> BigInt(32 - length);
      parents.set(parent, [...(parents.get(parent) ?? []), prefix]);
    }
    for (const [parent, inside] of parents) {
      const octets = new Set(inside.map(({ value }) => value >> BigInt(24 - length))).size;
      const blocks = inside.filter((each) => each.length < length + 8);
      const more = blocks.reduce((sum, each) => sum + 2 ** (length + 8 - each.length) - 1, 0);
      if (octets + more <= 4) continue;
      prefixes = mergePrefixes([...prefixes, { family: 4, value: parent << BigInt(32 - length), length }]);
    }
  }
  return prefixes;
}

function addressesOf(prefixes: readonly Prefix[]): number {
  return prefixes.reduce(
    (sum, { family, length }) => sum + 2 ** (family === 4 ? 32 - length : 128 - length),
    0,
  );
}

function to24(prefix: Prefix): Prefix {
  if (prefix.family === 6 || prefix.length < 24) return prefix;
  return { family: 4, value: (prefix.value >> 8n) << 8n, length: 24 };
}

/** One entry for each subject and protocol: all its addresses on all its ports. */
function perSubject(history: readonly RecordedObservation[]): Rule[] {
  const groups = new Map<string, RecordedObservation[]>();
  for (const observation of history) {
    // Whom no rule can name our rules leave out as well.
    const subject = ruleSubject(observation.subject);
    if (subject === undefined) continue;
    const key = `${subject.key} ${observation.protocol}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [observation]);
    else group.push(observation);
  }
  return [...groups.values()].map((group) => {
    const subject = ruleSubject(group[0]!.subject)!;
    return {
      from: subject.from,
      entries: [entryOf(group)],
      sockets: [],
      subjects: [subject],
      observations: group,
      whole: true,
    };
  });
}

function entryOf(group: readonly RecordedObservation[]): Entry {
  const ports = [...new Set(group.map(({ port }) => port))].sort((a, b) => a - b);
  return {
    observed: mergePrefixes(group.map((each) => prefixOf(destinationAddress(each)))),
    protocols: [...new Set(group.map(({ protocol }) => protocol))],
    ...(group.every(({ protocol }) => hasPorts(protocol)) && {
      ports: ports.map((port) => ({ first: port, last: port })),
    }),
  };
}

/** Everybody everywhere, on any port: what the format of lists without rules can say. */
function oneBox(history: readonly RecordedObservation[]): Rule {
  const commands = [...new Set(history.map(({ subject }) => subject.command))];
  const uids = [...new Set(history.map(({ subject }) => subject.uid))];
  const { observed, protocols } = entryOf(history);
  return {
    from: { command: commands, uid: uids },
    entries: [{ observed, protocols }],
    sockets: [],
    subjects: [],
    observations: [],
    whole: true,
  };
}
