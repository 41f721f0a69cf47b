import type { Registrable } from '../../generator/subject/wildcard.ts';

/** Also of those whose owners have added them to the list: anybody can have a name below `github.io`. */
const PRIVATE = { allowPrivateDomains: true, validateHostname: false } as const;

/** Goes by the Public Suffix List, which takes a moment to load. */
export async function loadRegistrable(): Promise<Registrable> {
  const { getDomain } = await import('tldts');
  return (name) => getDomain(name, PRIVATE) ?? undefined;
}
