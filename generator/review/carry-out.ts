import { BouhekiError } from '../../error/error.ts';
import { appendRules, type Addition } from '../../policy/file/edit/append.ts';
import {
  containsAddress,
  containsPrefix,
  formatPrefix,
  prefixOf,
  type Prefix,
} from '../../policy/value/cidr.ts';
import { destinationText, SET_KINDS, type ToDocument } from '../../policy/file/document.ts';
import { allowRules, replaceEntry, type RuleLocation } from '../../policy/file/edit/edit.ts';
import { extendName } from '../../policy/file/limit.ts';
import { keepOf } from '../../policy/meaning/known-name.ts';
import type { Box } from '../../policy/meaning/policy.ts';
import { mergePrefixes } from '../../policy/value/prefix-set.ts';
import { isSetReference } from '../../policy/value/set-name.ts';
import { hasPorts } from '../../policy/value/protocol.ts';
import type { Decision, DecisionKind } from './decision.ts';
import { settleWithheld, type WithheldDecision } from './withheld.ts';
import { METADATA } from '../subject/deny.ts';
import { withIgnored } from './ignored.ts';
import { ZONES } from '../prefixes/zone.ts';
import { boxesByRule, type ReviewInput, type ReviewItem } from './review.ts';
import { allowsFlow, inseparable, takeOut } from './take-out.ts';
import { destinationAddress } from '../destination/destination.ts';

/** No prefix is wider than these, by family. */
const WIDEST = { 4: 8, 6: 32 } as const;

/** Lengths that prefixes are widened to, by family. */
const STEPS = { 4: [24, 16, 8], 6: [64, 48, 32] } as const;

/**
 * The text after a decision on an item; its marks are another matter. Everything else keeps its bytes and its
 * meaning. Throws BouhekiError `usage` when the decision cannot be carried out.
 */
export function carryOut(input: ReviewInput, item: ReviewItem, { cidr, decision }: Decision): string {
  if (item.withheld) return settleWithheld(input.text, item.withheld, withheldDecision(item, decision));
  switch (decision) {
    case 'where-seen':
      throw new BouhekiError('usage', `${item.destination} was not withheld`, {
        remedy: 'Allow, deny or ignore it.',
      });
    case 'allow':
      return input.text;
    case 'deny':
      // A deny rule knows no names, and one for an address would hit the other names that it has.
      if (goesByName(input, item)) return ignore(input, item);
      return appendRules(takeOut(input, item) ?? input.text, 'deny', [denyRule(input, item)]);
    case 'ignore':
      return ignore(input, item);
    case 'narrow':
      return narrow(input, item);
    case 'widen':
      return widenTo(input, item, cidr!);
  }
}

function withheldDecision({ destination }: ReviewItem, decision: DecisionKind): WithheldDecision {
  switch (decision) {
    case 'allow':
      return 'everywhere';
    case 'narrow':
    case 'widen':
      throw new BouhekiError('usage', `${destination} was withheld: no rule allows it yet`, {
        remedy: 'Allow it, allow it where it was seen, deny or ignore it.',
      });
    default:
      return decision;
  }
}

function ignore(input: ReviewInput, item: ReviewItem): string {
  const { name: _, ...rule } = denyRule(input, item);
  const text = takeOut(input, item);
  if (text === undefined) throw inseparable(item, goesByName(input, item));
  return withIgnored(text, rule);
}

/** Whether what allows an item is a list of names. */
function goesByName({ policy, record, text }: ReviewInput, { location, observations }: ReviewItem): boolean {
  const boxes = boxesByRule(text, policy).filter(
    (each) => each.location.rule === location.rule && each.box.to.names !== undefined,
  );
  if (observations.length === 0) return boxes.some((each) => each.location.entry === location.entry);
  const flow = record.flowOf(observations[0]!);
  return boxes.some(({ box }) => allowsFlow(policy, box, flow));
}

/** The next wider prefix that an item may be widened to; undefined when there is none. */
export function widerFor(input: ReviewInput, item: ReviewItem): Prefix | undefined {
  const current = prefixFor(input, item);
  if (current === undefined) return undefined;
  const bits = current.family === 4 ? 32n : 128n;
  return STEPS[current.family]
    .filter((length) => length < current.length)
    .map((length) => {
      const host = bits - BigInt(length);
      return { family: current.family, value: (current.value >> host) << host, length };
    })
    .find((prefix) => whyNotWiden(item, prefix) === undefined);
}

/** Why an item must not be widened to a prefix; undefined when it may. */
function whyNotWiden(item: ReviewItem, prefix: Prefix): string | undefined {
  const [observation] = item.observations;
  if (observation === undefined || observation.socket !== undefined) {
    return `${item.destination} has no address to widen`;
  }
  const text = formatPrefix(prefix);
  if (!containsAddress(prefix, destinationAddress(observation)))
    return `${text} does not hold ${item.destination}`;
  if (prefix.length < WIDEST[prefix.family]) return `${text} is wider than /${WIDEST[prefix.family]}`;
  const within = (range: Prefix): boolean => range.length > prefix.length && containsPrefix(prefix, range);
  if (METADATA.some(within)) return `${text} holds a cloud metadata address, which hands out credentials`;
  const range = ZONES.find(within);
  return range && `${text} reaches out of ${formatPrefix(range)}, which is a range with a purpose of its own`;
}

/** The widest prefix of the rule that allows an item; undefined where the rule names no addresses. */
export function prefixFor(input: ReviewInput, item: ReviewItem): Prefix | undefined {
  return holderOf(input, item)?.prefix;
}

/** What denies an item to the subjects of its rule. */
function denyRule(input: ReviewInput, item: ReviewItem): Addition {
  const { record, text } = input;
  const { observations, location, rule } = item;
  const { from = {}, sockets, to } = allowRules(text)[location.rule]!;
  const name = extendName(rule, ' (denied)');
  const [observation] = observations;
  if (observation === undefined) {
    if (location.entry !== undefined) return { name, from, to: [plainEntry(input, location)] };
    const plain = to?.map((_, entry) => plainEntry(input, { ...location, entry }));
    return { name, from, ...(plain && { to: plain }), ...(sockets && { sockets }) };
  }
  const { address, names, port, protocol, socket } = record.flowOf(observation);
  if (socket !== undefined) return { name, from, sockets: [socket] };
  const ports = hasPorts(protocol) ? { ports: [{ first: port, last: port }] } : {};
  const byName = goesByName(input, item);
  return {
    name,
    from,
    to: [
      destinationText({
        ...(byName && names ? { names: names.map(({ name }) => name) } : { prefixes: [prefixOf(address)] }),
        ...ports,
        protocols: [protocol],
      }),
    ],
  };
}

/** A destination as it stands in the file, with values in the place of sets: those of the file may change. */
function plainEntry({ policy, text }: ReviewInput, { entry, rule }: RuleLocation): ToDocument {
  const raw = allowRules(text)[rule]!.to![entry!]!;
  const named = SET_KINDS.some((kind) => raw[kind]?.some((each) => isSetReference(each as string | number)));
  if (!named && !raw.except?.some((each) => isSetReference(each as string | number))) return raw;
  const { box } = boxesByRule(text, policy).find(
    ({ location }) => location.rule === rule && location.entry === entry,
  )!;
  return destinationText(box.to);
}

/** An entry of a rule, and the prefix in it that allows an item. */
interface Holder {
  box: Box;
  location: Required<RuleLocation>;
  prefix: Prefix;
}

/** The entry of the item's rule that allows it by the widest prefix. */
function holderOf(
  { policy, record, text }: ReviewInput,
  { observations, location }: ReviewItem,
): Holder | undefined {
  if (observations.length === 0) return undefined;
  const flow = record.flowOf(observations[0]!);
  const holders = boxesByRule(text, policy).flatMap(({ box, location: { entry, rule } }): Holder[] => {
    if (rule !== location.rule || entry === undefined || !allowsFlow(policy, box, flow)) return [];
    const prefix = box.to.prefixes?.find((each) => containsAddress(each, flow.address));
    return prefix === undefined ? [] : [{ box, location: { rule, entry }, prefix }];
  });
  return holders.sort((one, other) => one.prefix.length - other.prefix.length)[0];
}

/**
 * Allows a wider prefix on the port and protocol of the item alone, instead of the prefixes that it holds.
 */
function widenTo(input: ReviewInput, item: ReviewItem, wider: Prefix): string {
  const why = whyNotWiden(item, wider);
  if (why !== undefined) throw new BouhekiError('usage', why, { remedy: 'Choose another prefix.' });
  const holder = holderOf(input, item) ?? missing(item);
  const { port, protocol } = item.observations[0]!;
  const { ports, protocols } = holder.box.to;
  const ranges = hasPorts(protocol) ? [{ first: port, last: port }] : undefined;
  const alone = JSON.stringify([ports, protocols]) === JSON.stringify([ranges, [protocol]]);
  if (alone) return exchange(input, holder, [wider]);
  const { keep, names } = holder.box.to;
  const entry = destinationText({
    ...(names && { names, keep: keepOf({ ...(keep !== undefined && { keep }) }) }),
    prefixes: [wider],
    ...(ranges && { ports: ranges }),
    protocols: [protocol],
  });
  return replaceEntry(input.text, holder.location, [entryAt(input, holder), entry]);
}

/** Exchanges the prefix that allows an item for the addresses in it that were seen. */
function narrow(input: ReviewInput, item: ReviewItem): string {
  const holder = holderOf(input, item) ?? missing(item);
  const { box, prefix } = holder;
  const seen = input.record.observations.flatMap((each) => {
    const flow = input.record.flowOf(each);
    const inside = containsAddress(prefix, flow.address) && allowsFlow(input.policy, box, flow);
    return inside ? [prefixOf(flow.address)] : [];
  });
  const narrower = mergePrefixes(seen);
  if (narrower.some((each) => containsPrefix(each, prefix))) {
    throw new BouhekiError('usage', `nothing is narrower than what allows ${item.destination}`, {
      remedy: 'Allow, deny or ignore it.',
    });
  }
  return exchange(input, holder, narrower, prefix);
}

function missing({ destination, rule }: ReviewItem): never {
  throw new BouhekiError('usage', `rule ${rule} names no addresses for ${destination}`, {
    remedy: 'Allow, deny or ignore it.',
  });
}

/**
 * The entry with more prefixes, and without one. Sets that have nothing to do with either stay named, the values of
 * others are written out.
 */
function exchange(input: ReviewInput, holder: Holder, added: readonly Prefix[], without?: Prefix): string {
  const { except: _, ...raw } = entryAt(input, holder);
  const { except, sets = [], to } = holder.box;
  const kept = sets.filter(({ to: { prefixes } }) =>
    prefixes?.every(
      (each) => each !== without && ![...added, ...(except ?? [])].some((other) => overlaps(other, each)),
    ),
  );
  const held = new Set(kept.flatMap(({ to: { prefixes } }) => prefixes!.map(formatPrefix)));
  const others = to.prefixes!.filter((each) => each !== without && !held.has(formatPrefix(each)));
  const names = raw.cidr!.filter((each) => kept.some(({ name }) => name === each));
  const cidr = [...names, ...mergePrefixes([...others, ...added]).map(formatPrefix)];
  return replaceEntry(input.text, holder.location, [{ ...raw, cidr }]);
}

function overlaps(a: Prefix, b: Prefix): boolean {
  return containsPrefix(a, b) || containsPrefix(b, a);
}

function entryAt({ text }: ReviewInput, { location }: Holder): ToDocument {
  return allowRules(text)[location.rule]!.to![location.entry]!;
}
