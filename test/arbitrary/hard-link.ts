import type { From, Policy } from '../../policy/meaning/policy.ts';
import { matchesPath } from '../../policy/value/name.ts';
import { WORLD } from './world.ts';

/** Two of the world's paths that are to be hard links of one file. */
export const SAME_FILE: readonly string[] = WORLD.exes.filter((path) => path.includes('perl'));

/** A path in a policy means the file: the reference, which compares text, is given every name of it. */
export function withAllNames(policy: Policy): Policy {
  const { boxes, modes } = policy;
  return { ...policy, boxes: boxes.map(withNames), ...(modes && { modes: modes.map(withNames) }) };
}

function withNames<T extends { from: From }>(each: T): T {
  const { exe } = each.from;
  if (!exe?.some((path) => SAME_FILE.some((same) => matchesPath(path, same)))) return each;
  return { ...each, from: { ...each.from, exe: [...exe, ...SAME_FILE] } };
}
