import { formatPortRange } from '../value/port.ts';
import { hasPorts, PORT_PROTOCOLS } from '../value/protocol.ts';
import type { Portable, PortableRule } from './rule.ts';
import { OWNERS } from './netfilter.ts';
import { heading, plain, prefixesOf } from './words.ts';

/** Characters that nft(8) takes in a comment. */
const COMMENT = 128;

/** What the kernel itself sends so that IPv6 works: neighbours, routers, groups. */
const NEIGHBOURS =
  'nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, nd-redirect, mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report';

/** A table of its own, which replaces the one that was loaded before. Source: nft(8). */
export function nftables({ blocks, notes, rules }: Portable): string {
  const denied = blocks ? 'reject with icmpx admin-prohibited' : 'log prefix "bouheki: " level info accept';
  const lines = [
    'type filter hook output priority filter; policy accept;',
    'ct state established,related accept',
    `icmpv6 type { ${NEIGHBOURS} } accept`,
    'meta l4proto igmp accept',
    ...rules.flatMap((rule) => linesOf(rule, rule.action === 'allow' ? 'accept' : denied)),
    denied,
  ];
  return [
    '#!/usr/sbin/nft -f',
    ...heading(['Load it with: nft -f FILE. Remove it with: nft delete table inet bouheki', OWNERS], notes),
    'table inet bouheki',
    'delete table inet bouheki',
    'table inet bouheki {',
    '\tchain egress {',
    ...lines.map((line) => `\t\t${line}`),
    '\t}',
    '}',
    '',
  ].join('\n');
}

function linesOf(rule: PortableRule, verdict: string): string[] {
  const who = [
    setOf('meta skuid', [...(rule.from.uid ?? []), ...(rule.from.user ?? []).map(quoted)]),
    setOf('meta skgid', [...(rule.from.gid ?? []), ...(rule.from.group ?? []).map(quoted)]),
  ];
  const end = [serviceOf(rule), verdict, `comment "${plain(rule.name, COMMENT)}"`];
  const where =
    rule.prefixes === undefined
      ? ['']
      : [setOf('ip daddr', prefixesOf(rule, 4)), setOf('ip6 daddr', prefixesOf(rule, 6))].filter(Boolean);
  return where.map((each) => [...who, each, ...end].filter(Boolean).join(' '));
}

function serviceOf({ ports, protocols }: PortableRule): string {
  if (ports === undefined) return setOf('meta l4proto', protocols);
  const own = (protocols ?? PORT_PROTOCOLS).filter(hasPorts);
  return `${setOf('meta l4proto', own)} ${setOf('th dport', ports.map(formatPortRange))}`;
}

/** `ip daddr { 10.0.0.1, 10.0.0.2 }`; empty for no value. */
function setOf(key: string, values: readonly (string | number)[] | undefined): string {
  return values === undefined || values.length === 0 ? '' : `${key} { ${values.join(', ')} }`;
}

function quoted(name: string): string {
  return `"${plain(name, COMMENT)}"`;
}
