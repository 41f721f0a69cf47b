import { BouhekiError } from '../../error/error.ts';
import { formatNumber } from '../../format/number.ts';
import { SharedCover } from '../../generator/prefixes/cover.ts';
import { groupRules } from '../../policy/export/aws.ts';
import { addressesOf, type Portable } from '../../policy/export/rule.ts';
import { type Prefix, sizeOf } from '../../policy/value/cidr.ts';
import { addNote } from '../../policy/export/words.ts';
import { subtractPrefixes } from '../../policy/value/prefix-set.ts';

/**
 * Rules for a security group that has at most so many for each family: prefixes are merged so that as few addresses as
 * possible are allowed that the policy does not, which is noted. Throws BouhekiError `usage` when it cannot be done.
 */
export function withinRules(rules: Portable, most: number): Portable {
  if (countOf(rules) <= most) return rules;
  const lists = rules.rules.map((rule) => [...(addressesOf(rule) ?? [])]);
  const cover = new SharedCover(lists, { denied: [], widest: { 4: 0, 6: 0 }, zones: false });
  let [fits, over] = [cover.least, cover.lossless];
  const merged = (budget: number): Portable => withPrefixes(rules, cover.within(budget));
  const least = countOf(merged(fits));
  if (least > most) {
    throw new BouhekiError(
      'usage',
      `${least} rules are left when all prefixes are merged, and ${most} are to be had`,
      {
        remedy:
          'Name more with --max-rules, as your account has them, or use several security groups for parts of the policy.',
      },
    );
  }
  while (over - fits > 1) {
    const middle = Math.floor((fits + over) / 2);
    if (countOf(merged(middle)) <= most) fits = middle;
    else over = middle;
  }
  const found = merged(fits);
  const what = `prefixes are merged for ${most} rules: ${describeMore(rules, found)} more are allowed`;
  addNote(found.notes, { effect: 'wider', what });
  return found;
}

/** Rules of the family that has more: each has a quota of its own. */
function countOf(rules: Portable): number {
  const written = groupRules({ ...rules, notes: [] });
  const v4 = written.filter(({ prefix }) => prefix.family === 4).length;
  return Math.max(v4, written.length - v4);
}

function withPrefixes(rules: Portable, prefixes: readonly Prefix[][]): Portable {
  const wider = rules.rules.map((rule, at) => {
    const { except: _except, ...rest } = rule;
    return rule.prefixes === undefined ? rule : { ...rest, prefixes: prefixes[at]! };
  });
  return { ...rules, rules: wider };
}

/** `254 IPv4 addresses and 2^64 IPv6 addresses`. */
function describeMore(before: Portable, after: Portable): string {
  const more = after.rules.flatMap((rule, at) =>
    subtractPrefixes(addressesOf(rule) ?? [], addressesOf(before.rules[at]!) ?? []),
  );
  const counts = ([4, 6] as const).flatMap((family) => {
    const own = more.filter((prefix) => prefix.family === family);
    const count = own.reduce((sum, prefix) => sum + sizeOf(prefix), 0n);
    return count === 0n ? [] : [`${inDigits(count)} IPv${family} addresses`];
  });
  return counts.join(' and ');
}

function inDigits(count: bigint): string {
  return count < 1n << 40n ? formatNumber(Number(count)) : `2^${count.toString(2).length - 1}`;
}
