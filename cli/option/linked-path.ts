import { realpathSync } from 'node:fs';
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

/** A line that says which paths of a policy were taken for what they lead to here; empty where none is a link. */
export function describeLinks(links: ReadonlyMap<string, string>): string {
  if (links.size === 0) return '';
  const shown = [...links].slice(0, SHOWN).map(([path, real]) => `${path} is ${real}`);
  const more = links.size > SHOWN ? `, and ${links.size - SHOWN} more` : '';
  return `Links on this host: ${visible(shown.join(', '))}${more}.\n`;
}
