import { getDomain, parse } from 'tldts';
import type { Registrable } from '../../generator/name/wildcard.ts';
import type { IsPublicSuffix } from '../../policy/analysis/lint.ts';

// The Public Suffix List takes a moment to load: who imports this does so when it is needed.

/** Also of those whose owners have added them to the list: anybody can have a name below `github.io`. */
const PRIVATE = { allowPrivateDomains: true, validateHostname: false } as const;

/** Names that people use inside of their networks are on no list: below them not anybody can have one. */
export const isPublicSuffix: IsPublicSuffix = (name) => {
  const { isIcann, isPrivate, publicSuffix } = parse(name, PRIVATE);
  return publicSuffix === name && (isIcann === true || isPrivate === true);
};

export const registrable: Registrable = (name) => getDomain(name, PRIVATE) ?? undefined;
