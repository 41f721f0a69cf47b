import { getDomain, parse } from 'tldts';
// @ts-expect-error: the list itself, which the package keeps for its own use, has no types there.
import list from 'tldts/dist/cjs/src/data/trie.js';
import type { Suffixes } from '../../generator/name/wildcard.ts';

// The Public Suffix List takes a moment to load: who imports this does so when it is needed.

/** The list as a tree: the edges of a node lead to one label more, from the last one of a name on. */
interface Tree {
  /** Not 0: a suffix ends here. */
  nodeFlags: Uint8Array;
  /** The first edge of a node; it has those up to the first one of the next node. */
  edgeStart: Uint16Array;
  edgeChild: Uint16Array;
  edgeLength: Uint8Array;
  /** The labels of all edges. */
  labelText: string;
  rulesRoot: number;
}

const TREE: Tree = list;

/** Also of those whose owners have added them to the list: anybody can have a name below `github.io`. */
const PRIVATE = { allowPrivateDomains: true, validateHostname: false } as const;

export const suffixes: Suffixes = {
  registrable: (name) => getDomain(name, PRIVATE) ?? undefined,
  isPublicBelow: (name) => isPublicSuffix(name) || hasSuffixBelow(name),
};

/** Names that people use inside of their networks are on no list: below them not anybody can have one. */
function isPublicSuffix(name: string): boolean {
  const { isIcann, isPrivate, publicSuffix } = parse(name, PRIVATE);
  return publicSuffix === name && (isIcann === true || isPrivate === true);
}

/** Whether a suffix is below a name, as `s3.amazonaws.com` is below `amazonaws.com`. */
function hasSuffixBelow(name: string): boolean {
  let node: number | undefined = TREE.rulesRoot;
  for (const label of name.split('.').reverse()) {
    const children = childrenOf(node);
    node = children.get(label) ?? children.get('*');
    if (node === undefined) return false;
  }
  return [...childrenOf(node).values()].some(isSuffixAtOrBelow);
}

function isSuffixAtOrBelow(node: number): boolean {
  return TREE.nodeFlags[node] !== 0 || [...childrenOf(node).values()].some(isSuffixAtOrBelow);
}

/** Where each edge's label begins. */
let starts: Uint32Array | undefined;

function startsOfLabels(): Uint32Array {
  const found = new Uint32Array(TREE.edgeLength.length);
  let at = 0;
  for (const [edge, length] of TREE.edgeLength.entries()) {
    found[edge] = at;
    at += length;
  }
  return found;
}

function childrenOf(node: number): Map<string, number> {
  starts ??= startsOfLabels();
  const children = new Map<string, number>();
  for (let edge = TREE.edgeStart[node]!; edge < TREE.edgeStart[node + 1]!; edge += 1) {
    const start = starts[edge]!;
    const label = TREE.labelText.slice(start, start + TREE.edgeLength[edge]!);
    children.set(label, TREE.edgeChild[edge]!);
  }
  return children;
}
