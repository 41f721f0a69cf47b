import { formatEnd } from '../../format/moment.ts';
import {
  destinationText,
  type Entry,
  type PolicyDocument,
  type RuleDocument,
  type ToDocument,
} from '../../policy/file/document.ts';
import { NAME_DEFAULTS } from '../../policy/meaning/known-name.ts';
import type { Box, From, NameOptions, Policy } from '../../policy/meaning/policy.ts';
import { formatAddress } from '../../policy/value/address.ts';
import { formatKeep } from '../../policy/value/keep.ts';

/**
 * The rules that say what the boxes of a policy say, one for each run of boxes with the same name and
 * subject. Names made from a place (`allow[0]`) are kept, so that logs before and after agree. Parsing the
 * print of it gives the boxes back.
 */
export function documentOf(policy: Policy): PolicyDocument {
  const { keep } = policy.names ?? NAME_DEFAULTS;
  const rules = (action: Box['action']) =>
    rulesOf(
      policy.boxes.filter((box) => box.action === action),
      keep,
    );
  return {
    mode: policy.mode,
    ...(policy.modes && { modes: policy.modes }),
    target: policy.target,
    ...(policy.onExit && { onExit: policy.onExit }),
    deny: rules('deny'),
    allow: rules('allow'),
    ...(policy.names && { names: namesDocument(policy.names) }),
    log: policy.log,
  };
}

function namesDocument({ hosts, keep, resolvers }: NameOptions): NonNullable<PolicyDocument['names']> {
  return {
    resolvers: resolvers.map((each) => (each === 'auto' ? each : formatAddress(each))),
    keep: formatKeep(keep),
    hosts,
  };
}

function rulesOf(boxes: readonly Box[], keep: number): RuleDocument[] {
  const rules: (Pick<Box, 'name' | 'from' | 'until'> & { to: ToDocument[]; sockets?: Entry[] })[] = [];
  for (const { name, from, to, until } of boxes) {
    let last = rules.at(-1);
    // The box of `sockets` is the last one of its rule.
    const same = last && last.name === name && last.until === until && sameFrom(last.from, from);
    if (!last || !same || last.sockets) {
      rules.push((last = { name, from, to: [], ...(until !== undefined && { until }) }));
    }
    if (to.sockets) last.sockets = to.sockets;
    else last.to.push(destinationText(to, keep));
  }
  return rules.map(({ name, from, to, sockets, until }) => {
    const rule: RuleDocument = { name };
    if (until !== undefined) rule.until = formatEnd(until);
    if (Object.keys(from).length > 0) rule.from = from;
    // A rule with neither `to` nor `sockets` is one box with any destination.
    const anywhere = !sockets && to.length === 1 && Object.keys(to[0]!).length === 0;
    if (to.length > 0 && !anywhere) rule.to = to;
    if (sockets) rule.sockets = sockets;
    return rule;
  });
}

function sameFrom(a: From, b: From): boolean {
  return a === b || JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort());
}
