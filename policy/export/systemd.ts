import { matchesGlob } from '../value/name.ts';
import type { Policy } from '../meaning/policy.ts';
import { mergePrefixes } from '../value/prefix-set.ts';
import { type Ability, addressesOf, EVERYWHERE, type Portable } from './rule.ts';
import { heading, short } from './words.ts';

export const SYSTEMD: Ability = { from: [], names: false, ports: false, deny: false, monitor: false };

/** Prefixes on a line. */
const EACH = 8;

/** The part of a policy that is about one unit, which a drop-in is for. */
export function forUnit(policy: Policy, unit: string): Policy {
  const boxes = policy.boxes.flatMap((box) => {
    const { unit: units, ...from } = box.from;
    if (units === undefined) return [box];
    return units.some((pattern) => matchesGlob(pattern, unit)) ? [{ ...box, from }] : [];
  });
  return { ...policy, boxes };
}

/** A drop-in for a unit. Source: systemd.resource-control(5). */
export function systemd({ notes, rules }: Portable): string {
  const prefixes = mergePrefixes(rules.flatMap((rule) => addressesOf(rule) ?? EVERYWHERE));
  const lines = [];
  for (let at = 0; at < prefixes.length; at += EACH)
    lines.push(
      `IPAddressAllow=${prefixes
        .slice(at, at + EACH)
        .map(short)
        .join(' ')}`,
    );
  return [
    ...heading(
      [
        'Put it into /etc/systemd/system/UNIT.d/egress.conf, then: systemctl daemon-reload',
        'It also holds for packets that come in: who may connect to the unit must be allowed too.',
      ],
      notes,
    ),
    '[Service]',
    'IPAddressDeny=any',
    ...lines,
    '',
  ].join('\n');
}
