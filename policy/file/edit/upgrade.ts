import { isMap, isScalar, isSeq, Pair, parseDocument, Scalar, YAMLMap, YAMLSeq } from 'yaml';
import { SOCKET_KINDS } from '../../value/socket-kind.ts';
import { FLAT_KEYS, FLAT_SUBJECTS } from '../document.ts';
import { plainLines } from '../../../format/line-end.ts';
import { modernLevel } from '../version1.ts';

/**
 * A version 1 file as version 2, in the flat layout, with the same meaning and with its comments. The source
 * must be one that `parsePolicy` takes as version 1. Where the exemption of version 1 was in effect,
 * `cidr.deny` goes: it denied no subject, and in version 2 it would.
 */
export function upgradePolicy(source: string): string {
  const lines = plainLines(source);
  const document = parseDocument(lines.text, { uniqueKeys: false });
  const root = document.contents as YAMLMap;
  const network = root.get('network') as YAMLMap;
  root.delete('version');
  root.items.unshift(document.createPair('version', 2));
  joinAddressLists(network);
  dropEmptyLists(network);
  dropVoidDeny(network);
  if (!FLAT_KEYS.some((key) => network.has(key))) {
    network.set('cidr', document.createNode({ allow: ['0.0.0.0/0', '::/0'] }));
  }
  allowSockets(network);
  modernizeLog(root);
  liftFirstComment(root);
  return lines.restore(document.toString({ lineWidth: 0 }));
}

/** The bare `allow` and `deny` are `cidr.allow` and `cidr.deny`. */
function joinAddressLists(network: YAMLMap): void {
  const bare = network.items.filter((pair) => keyOfPair(pair) === 'allow' || keyOfPair(pair) === 'deny');
  if (bare.length === 0) return;
  const cidr = network.get('cidr');
  const lists = isMap(cidr) ? cidr : new YAMLMap();
  // In block style even when it was `cidr: {}`: a list with comments has to fit in.
  lists.flow = false;
  for (const pair of bare) lists.items.push(pair);
  const at = network.items.indexOf(bare[0]!);
  network.items = network.items.filter((pair) => !bare.includes(pair));
  if (lists !== cidr) network.items.splice(at, 0, new Pair(new Scalar('cidr'), lists));
}

/** An empty list of subjects, which meant "any" in version 1, is no list. */
function dropEmptyLists(network: YAMLMap): void {
  for (const key of FLAT_KEYS) {
    const lists = network.get(key);
    if (!isMap(lists)) continue;
    for (const action of ['allow', 'deny']) {
      const entries = lists.get(action, true);
      const empty = !isSeq(entries) || entries.items.length === 0;
      // An empty cidr.allow means "nothing", in both versions.
      if (empty && !(key === 'cidr' && action === 'allow' && isSeq(entries))) lists.delete(action);
    }
    if (lists.items.length === 0) network.delete(key);
  }
}

const NOTE = ' Denied in version 1, but not to those in allow lists:';

/** Who is in an allow list was exempt from `cidr.deny`, and only they pass: its addresses were allowed. */
function dropVoidDeny(network: YAMLMap): void {
  const cidr = network.get('cidr');
  const exempt = FLAT_SUBJECTS.some((key) => network.hasIn([key, 'allow']));
  if (!exempt || !isMap(cidr)) return;
  const deny = cidr.get('deny', true) as YAMLSeq | undefined;
  if (!deny) return;
  const allow = cidr.get('allow', true) as YAMLSeq | undefined;
  const above = cidr.items.find((pair) => keyOfPair(pair) === 'deny')?.key;
  const comment = isScalar(above) ? above.commentBefore : undefined;
  cidr.delete('deny');
  if (allow) {
    const [first] = deny.items;
    if (isScalar(first)) first.commentBefore = joinComments(NOTE, comment, first.commentBefore);
    for (const item of deny.items) allow.items.push(item);
    allow.flow = false;
    return;
  }
  const texts = deny.items.map((item) => String(isScalar(item) ? item.value : item));
  const note = `${NOTE} ${texts.join(', ')}`;
  network.commentBefore = joinComments(network.commentBefore, comment, note);
  if (cidr.items.length === 0) network.delete('cidr');
}

/** Version 2 denies what it does not name. */
function allowSockets(network: YAMLMap): void {
  const key = new Scalar('sockets');
  key.commentBefore = ' Version 1 did not restrict these. Raw and packet sockets can send anywhere.';
  const kinds = new YAMLSeq();
  kinds.items = SOCKET_KINDS.map((kind) => new Scalar(kind));
  kinds.flow = true;
  // A comment has no place in a flow map.
  network.flow = false;
  network.items.push(new Pair(key, kinds));
}

/** Levels have one spelling in version 2, and labels are text. */
function modernizeLog(root: YAMLMap): void {
  const log = root.get('log');
  if (!isMap(log)) return;
  const level = log.get('level', true);
  if (isScalar(level)) level.value = modernLevel(String(level.value));
  const labels = log.get('labels');
  if (!isMap(labels)) return;
  for (const { value } of labels.items) {
    if (!isScalar(value) || typeof value.value === 'string') continue;
    value.value = String(value.value);
    value.type = 'QUOTE_DOUBLE';
  }
}

/** A comment above the first key belongs above `version` now. */
function liftFirstComment(root: YAMLMap): void {
  const [version, first] = root.items;
  const key = first?.key;
  if (!isScalar(key) || !key.commentBefore || !isScalar(version!.key)) return;
  version!.key.commentBefore = key.commentBefore;
  key.commentBefore = null;
}

function joinComments(...comments: (string | null | undefined)[]): string {
  return comments.filter(Boolean).join('\n');
}

function keyOfPair(pair: Pair): unknown {
  return isScalar(pair.key) ? pair.key.value : undefined;
}
