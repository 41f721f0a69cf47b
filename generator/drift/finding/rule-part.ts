import { formatPrefix, type Prefix } from '../../../policy/value/cidr.ts';
import { matchesName } from '../../../policy/value/host-name.ts';
import { formatPortRange } from '../../../policy/value/port.ts';
import { FROM_DIMENSIONS } from '../../../policy/meaning/dimension.ts';
import { matchesFrom } from '../../../policy/meaning/evaluate.ts';
import type { Box, Flow, From } from '../../../policy/meaning/policy.ts';
import type { Allowed } from '../drift.ts';

/** One value of a list of a rule, and the traffic that it takes part in. */
export interface RulePart {
  /** The list, as a policy calls it. */
  key: string;
  text: string;
  traffic: Allowed[];
}

/** Traffic that a box decides about. */
interface BoxTraffic {
  box: Box;
  traffic: readonly Allowed[];
}

/** The values of the lists of a rule, given its boxes. A list of one value is as silent as its rule. */
export function partsOf(boxes: readonly BoxTraffic[]): RulePart[] {
  const parts = new Map<string, RulePart>();
  const subjects = boxes[0]?.box.from ?? {};
  for (const { box, traffic } of boxes) {
    const lists = [...subjectLists(subjects), ...destinationLists(box, boxes.length)];
    for (const { accepts, key, texts } of lists) {
      const list = texts.map((text) => {
        const id = `${key}\0${text}`;
        const part = parts.get(id) ?? { key, text, traffic: [] };
        parts.set(id, part);
        return part;
      });
      for (const each of traffic) for (const index of accepts(each)) list[index]!.traffic.push(each);
    }
  }
  return [...parts.values()];
}

interface List {
  key: string;
  texts: string[];
  /** Indexes of the values that a connection takes part in. */
  accepts: (each: Allowed) => number[];
}

function subjectLists(from: From): List[] {
  return FROM_DIMENSIONS.flatMap((key) => {
    const values = from[key];
    if (values === undefined || values.length < 2) return [];
    // Alone a path would mean one of the host.
    const place: From = {
      ...(from.container && { container: from.container }),
      ...(from.image && { image: from.image }),
    };
    const froms = values.map((value) => ({ ...place, [key]: [value] }));
    const accepts = ({ flow }: Allowed): number[] =>
      indexes(froms, (each) => matchesFrom({ action: 'deny', from: each }, flow));
    return [{ key, texts: values.map(String), accepts }];
  });
}

function destinationLists({ to }: Box, boxes: number): List[] {
  const { names, ports, prefixes, sockets } = to;
  const lists: List[] = [];
  const add = (key: string, texts: string[], accepts: (flow: Flow) => number[]): void => {
    // The only value of the only destination is the rule.
    if (texts.length > 1 || (boxes > 1 && texts.length === 1 && key !== 'port'))
      lists.push({ key, texts, accepts: ({ flow }) => accepts(flow) });
  };
  if (sockets) add('sockets', [...sockets], ({ socket }) => indexes(sockets, (each) => each === socket));
  if (prefixes && !names) add('cidr', prefixes.map(formatPrefix), prefixFinder(prefixes));
  if (names) {
    add('name', [...names], (flow) =>
      indexes(names, (pattern) => flow.names?.some(({ name }) => matchesName(pattern, name)) === true),
    );
  }
  if (ports) {
    add('port', ports.map(formatPortRange), ({ port }) =>
      indexes(ports, ({ first, last }) => port >= first && port <= last),
    );
  }
  return lists;
}

function indexes<T>(values: readonly T[], accepts: (value: T) => boolean): number[] {
  return values.flatMap((value, index) => (accepts(value) ? [index] : []));
}

/** Finds the prefixes around an address by their lengths, of which there are few. */
function prefixFinder(prefixes: readonly Prefix[]): (flow: Flow) => number[] {
  const byLength = new Map<string, { family: 4 | 6; host: bigint; indexes: Map<bigint, number> }>();
  for (const [index, { family, length, value }] of prefixes.entries()) {
    const key = `${family}/${length}`;
    const host = BigInt((family === 4 ? 32 : 128) - length);
    const known = byLength.get(key) ?? { family, host, indexes: new Map<bigint, number>() };
    byLength.set(key, known);
    known.indexes.set(value >> host, index);
  }
  return ({ address }) =>
    [...byLength.values()].flatMap(({ family, host, indexes: found }) => {
      const index = family === address.family ? found.get(address.value >> host) : undefined;
      return index === undefined ? [] : [index];
    });
}
