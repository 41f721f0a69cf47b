import type { Action, From } from '../meaning/policy.ts';
import { parsePrefix, type Prefix } from '../value/cidr.ts';
import type { PortRange } from '../value/port.ts';
import { subtractPrefixes } from '../value/prefix-set.ts';

/** What another enforcer can tell apart. */
export interface Ability {
  /** Who connects, by the dimensions of `from`. */
  from: readonly (keyof From)[];
  /** Destinations by DNS name. */
  names: boolean;
  /** Ports and protocols. */
  ports: boolean;
  /** Rules that deny what others allow; else they are carved out of those. */
  deny: boolean;
  /** Letting through what would be denied, and noting it. */
  monitor: boolean;
}

/** A rule in what all enforcers have. What is absent matches everything. */
export interface PortableRule {
  action: Action;
  /** The rule of the policy. */
  name: string;
  from: From;
  prefixes?: readonly Prefix[];
  /** What is carved out of them, where nothing can deny it: inside them. */
  except?: readonly Prefix[];
  names?: readonly string[];
  ports?: readonly PortRange[];
  protocols?: readonly number[];
}

/**
 * What an export does otherwise than the policy. `wider`: it lets through more; `narrower`: less; `other`: it can't be
 * said in these words.
 */
export interface Note {
  effect: 'wider' | 'narrower' | 'other';
  /** The rule that it is about; absent: the whole policy. */
  rule?: string;
  what: string;
}

/** A policy in the words of another enforcer, before it is written. */
export interface Portable {
  blocks: boolean;
  /** Those that deny come first. */
  rules: PortableRule[];
  notes: Note[];
}

/** Every address of both families. */
export const EVERYWHERE: readonly Prefix[] = [parsePrefix('0.0.0.0/0')!, parsePrefix('::/0')!];

/** The addresses of a rule, with nothing to carve out any more; undefined where it is for every address. */
export function addressesOf({ except, prefixes }: PortableRule): readonly Prefix[] | undefined {
  return except === undefined ? prefixes : subtractPrefixes(prefixes ?? EVERYWHERE, except);
}
