import type { Policy } from '../../policy/meaning/policy.ts';
import { matchesPath } from '../../policy/value/name.ts';
import { WORLD } from './world.ts';

/** Two of the world's paths that are to be hard links of one file. */
export const SAME_FILE: readonly string[] = WORLD.exes.filter((path) => path.includes('perl'));

/** A path in a policy means the file: the reference, which compares text, is given every name of it. */
export function withAllNames(policy: Policy): Policy {
  const boxes = policy.boxes.map((box) =>
    box.from.exe?.some((path) => SAME_FILE.some((each) => matchesPath(path, each)))
      ? { ...box, from: { ...box.from, exe: [...box.from.exe, ...SAME_FILE] } }
      : box,
  );
  return { ...policy, boxes };
}
