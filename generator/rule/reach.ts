import { destinationText, type ToDocument } from '../../policy/file/document.ts';
import type { To } from '../../policy/meaning/policy.ts';
import type { Prefix } from '../../policy/value/cidr.ts';
import type { Entry } from './rule.ts';

/** What an entry allows, by names or by these prefixes. */
export function reachOfEntry({ keep, names, ports, protocols }: Entry, prefixes: readonly Prefix[]): To {
  return {
    ...(names ? { names, ...(keep !== undefined && { keep }) } : { prefixes: [...prefixes] }),
    ...(ports && { ports }),
    protocols,
  };
}

/** The same as it stands in a file. */
export function entryText(entry: Entry, prefixes: readonly Prefix[]): ToDocument {
  return destinationText(reachOfEntry(entry, prefixes));
}
