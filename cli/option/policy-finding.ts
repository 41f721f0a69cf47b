import { readFileSync } from 'node:fs';
import { type IsPublicBelow, lintPolicy } from '../../policy/analysis/lint.ts';
import type { Parsed } from '../../policy/file/parse.ts';
import type { Problem } from '../../policy/file/problem.ts';
import { type Address, parseAddress } from '../../policy/value/address.ts';

/** All that `check` says of a policy, for this host: in the order of the file, what is wrong before what is odd. */
export function remarksOn(parsed: Parsed, isPublicBelow?: IsPublicBelow): Problem[] {
  return [...parsed.problems, ...findingsOf(parsed, isPublicBelow)].sort(
    (a, b) => a.line - b.line || a.column - b.column,
  );
}

/** What is remarked upon in a policy without errors. */
function findingsOf(
  { policy, locationOf, locationOfMode }: Parsed,
  isPublicBelow?: IsPublicBelow,
): Problem[] {
  if (!policy) return [];
  return lintPolicy(policy, resolvers(), isPublicBelow, Date.now() * 1000).map(
    ({ box, modeEntry, message, help }) => {
      const place = modeEntry === undefined ? locationOf(box) : locationOfMode(modeEntry);
      const problem: Problem = Object.assign({ severity: 'warning' as const, message }, place);
      if (help !== undefined) problem.help = help;
      return problem;
    },
  );
}

/** The name servers of this host; none where it has no resolv.conf. */
function resolvers(): Address[] {
  let text: string;
  try {
    text = readFileSync('/etc/resolv.conf', 'utf8');
  } catch {
    return [];
  }
  return [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].flatMap(
    ([, address]) => parseAddress(address!) ?? [],
  );
}
