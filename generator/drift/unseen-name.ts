import type { Policy } from '../../policy/meaning/policy.ts';
import { ANY_NAME } from '../../policy/value/host-name.ts';
import type { Observation } from '../../profiler/read/observation.ts';

/** The names and wildcards of a policy that no address in the record was known by: mistyped, or not used any more. */
export function unseenNames(
  { boxes }: Pick<Policy, 'boxes'>,
  observations: readonly Pick<Observation, 'names'>[],
): string[] {
  const covered = new Set<string>([ANY_NAME]);
  for (const name of new Set(observations.flatMap(({ names }) => names ?? []))) {
    covered.add(name);
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1))
      covered.add(`*${name.slice(dot)}`);
  }
  const patterns = new Set(boxes.flatMap(({ to }) => to.names ?? []));
  return [...patterns].filter((pattern) => !covered.has(pattern)).sort();
}
