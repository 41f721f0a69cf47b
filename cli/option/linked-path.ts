import { realpathSync } from 'node:fs';
import { directoryBefore, expandPattern } from '../../host/path-pattern.ts';
import { isFindable, isGlob, matchesGlob } from '../../policy/value/name.ts';
import { visible } from '../../error/visible.ts';

/** Links that are named. */
const SHOWN = 3;

/** What a path means on this host without links in it; undefined where there is nothing. */
export function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/**
 * The paths without links of what a path of a policy means on this host. For a pattern those of the files that it
 * matches now, and the pattern without links before the first `*`: what it matched earlier is in the record.
 */
export function realPaths(path: string): string[] {
  if (!isGlob(path)) return [realPath(path) ?? []].flat();
  const before = directoryBefore(path);
  const real = realPath(before);
  const moved =
    real === undefined ? [] : [(real === '/' ? '' : real) + path.slice(before === '/' ? 0 : before.length)];
  return [...new Set([...moved, ...matchesOf(path).flatMap((each) => realPath(each) ?? [])])];
}

/** Whether `enforce` would take a pattern on this host. */
export function isFollowable(pattern: string): boolean {
  try {
    expandPattern(pattern, matchesGlob);
    return true;
  } catch {
    return false;
  }
}

/** Nothing for a pattern that `enforce` would refuse. */
function matchesOf(pattern: string): string[] {
  try {
    return expandPattern(pattern, matchesGlob).paths.filter(isFindable);
  } catch {
    return [];
  }
}

/** A line that says which paths of a policy were taken for what they lead to here; empty where none is a link. */
export function describeLinks(links: ReadonlyMap<string, readonly string[]>): string {
  if (links.size === 0) return '';
  const shown = [...links]
    .slice(0, SHOWN)
    .map(([path, real]) => `${path} is ${real.slice(0, SHOWN).join(' and ')}`);
  const more = links.size > SHOWN ? `, and ${links.size - SHOWN} more` : '';
  return `Links on this host: ${visible(shown.join(', '))}${more}.\n`;
}
