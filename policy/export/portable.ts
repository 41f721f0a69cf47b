import { FROM_DIMENSIONS } from '../meaning/dimension.ts';
import type { Box, From, Policy } from '../meaning/policy.ts';
import { carve } from './carve.ts';
import type { Ability, Note, Portable, PortableRule } from './rule.ts';
import { addNote } from './words.ts';

/**
 * The rules of a policy as an enforcer can have them. What it can't tell apart makes an allow wider and leaves a deny
 * out; a destination by a name that it can't have is left out. Each of it is noted.
 */
export function portable(policy: Policy, ability: Ability): Portable {
  const notes: Note[] = [];
  if (policy.mode === 'monitor' && !ability.monitor)
    addNote(notes, { effect: 'narrower', what: 'the policy only monitors, this blocks' });
  if (policy.target === 'container')
    addNote(notes, { effect: 'narrower', what: 'the policy judges containers alone, this everything' });
  const rules = policy.boxes.flatMap((box) => ruleOf(box, ability, notes));
  const carved = ability.deny ? rules : withoutDenies(rules, notes);
  return { blocks: policy.mode === 'block', rules: carved, notes };
}

function ruleOf(box: Box, ability: Ability, notes: Note[]): PortableRule[] {
  const { action, from, name, to, until } = box;
  const note = (effect: Note['effect'], what: string): [] => {
    addNote(notes, { effect, rule: name, what });
    return [];
  };
  if (until !== undefined) return note('narrower', 'it is left out: it would not end by itself');
  if (to.sockets !== undefined)
    return note(action === 'allow' ? 'other' : 'wider', `sockets (${to.sockets.join(', ')}) are left out`);
  const lost = FROM_DIMENSIONS.filter((key) => from[key] !== undefined && !ability.from.includes(key));
  if (lost.length > 0 && action === 'deny')
    return note('wider', `it is left out: ${lost.join(', ')} cannot be told, and it must not deny all`);
  if (lost.length > 0) note('wider', `it holds for every process: ${lost.join(', ')} cannot be told`);
  const where = destinationOf(box, ability, note);
  if (where === undefined) return [];
  const kept = Object.fromEntries(
    Object.entries(from).filter(([key]) => ability.from.includes(key as keyof From)),
  );
  return [{ action, name, from: kept as From, ...where }];
}

/** The destinations of a rule; undefined where it is left out. */
function destinationOf(
  { action, to }: Box,
  ability: Ability,
  note: (effect: Note['effect'], what: string) => void,
): Pick<PortableRule, 'prefixes' | 'names' | 'ports' | 'protocols'> | undefined {
  const { names, ports, prefixes, protocols } = to;
  if (names !== undefined && !ability.names) {
    const what = `${names.join(', ')}: names cannot be told`;
    if (prefixes === undefined) {
      note('narrower', `it is left out: ${what}`);
      return undefined;
    }
    note('wider', `all of its addresses are allowed: ${what}`);
  }
  const limits = { ...(ports && { ports }), ...(protocols && { protocols }) };
  if (!ability.ports && Object.keys(limits).length > 0) {
    if (action === 'deny')
      note('narrower', 'all ports and protocols of its addresses are denied: they cannot be told');
    else note('wider', 'every port and protocol is allowed: they cannot be told');
  }
  return {
    ...(prefixes && { prefixes }),
    ...(names && ability.names && { names }),
    ...(ability.ports && limits),
  };
}

/** The allow rules without what the deny rules take from them. */
function withoutDenies(rules: readonly PortableRule[], notes: Note[]): PortableRule[] {
  let allowed = rules.filter(({ action }) => action === 'allow');
  for (const deny of rules.filter(({ action }) => action === 'deny')) {
    const parts = allowed.map((rule) => carve(rule, deny));
    for (const { narrower, rule } of parts) {
      if (narrower) {
        const what = `protocols that have no name here are denied to what ${deny.name} denies in part`;
        addNote(notes, { effect: 'narrower', rule, what });
      }
    }
    allowed = parts.flatMap((part) => part.rules);
  }
  return allowed;
}
