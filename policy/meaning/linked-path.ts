import { matchesPath } from '../value/name.ts';
import { meansContainerFiles } from './evaluate.ts';
import type { From, Policy } from './policy.ts';

/** A policy as text can judge by it, and which of its paths are links. */
export interface FollowedPolicy {
  policy: Policy;
  /** What each path that is a link, or that matches some, leads to, in the order of the policy. */
  links: ReadonlyMap<string, readonly string[]>;
}

/**
 * The policy with the paths that its executables really have, beside those that are written. The kernel compares files,
 * and a record has the path without links: `/bin/curl` of a policy is `/usr/bin/curl` there. Only paths of the policy
 * are followed, never recorded ones: a user may turn a recorded path into a link to a program that is allowed.
 * `realPaths` returns the paths without links of what a path or a pattern means, none where there is no such file.
 * Paths inside containers stay as they are.
 */
export function followLinks(policy: Policy, realPaths: (path: string) => readonly string[]): FollowedPolicy {
  const links = new Map<string, readonly string[]>();
  const follow = (path: string): string[] => {
    const real = links.get(path) ?? realPaths(path).filter((each) => !matchesPath(path, each));
    if (real.length > 0) links.set(path, real);
    return [path, ...real];
  };
  const followed = <T extends { from: From }>(each: T): T => {
    const { exe } = each.from;
    if (exe === undefined || meansContainerFiles(each.from)) return each;
    return { ...each, from: { ...each.from, exe: [...new Set(exe.flatMap(follow))] } };
  };
  const { boxes, modes } = policy;
  return {
    policy: { ...policy, boxes: boxes.map(followed), ...(modes && { modes: modes.map(followed) }) },
    links,
  };
}
