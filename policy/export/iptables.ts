import type { PortRange } from '../value/port.ts';
import type { Portable, PortableRule } from './rule.ts';
import { OWNERS } from './netfilter.ts';
import { heading, plain, portText, prefixesOf, servicesOf } from './words.ts';

/** What `multiport` takes in one rule; a range counts for two. Source: iptables-extensions(8). */
const PORTS = 15;
/** Characters of a comment. */
const COMMENT = 255;
/** (uid_t) -1. */
const NO_ID = 4_294_967_295;
/** Of ICMPv6, what the kernel itself sends so that IPv6 works. Source: RFC 4890, 4.4.1. */
const NEIGHBOURS = [130, 131, 132, 133, 134, 135, 136, 137, 143];

const FAMILY = {
  4: { tool: 'iptables', reject: 'icmp-admin-prohibited', first: ['-p igmp -j RETURN'] },
  6: {
    tool: 'ip6tables',
    reject: 'icmp6-adm-prohibited',
    first: NEIGHBOURS.map((type) => `-p icmpv6 --icmpv6-type ${type} -j RETURN`),
  },
} as const;

/** A chain of one family, for `iptables-restore --noflush`, which leaves all other chains as they are. */
export function iptables({ blocks, notes, rules }: Portable, family: 4 | 6): string {
  const { first, reject, tool } = FAMILY[family];
  const denied = blocks
    ? [`-j REJECT --reject-with ${reject}`]
    : ['-j LOG --log-prefix "bouheki: "', '-j RETURN'];
  const lines = [
    '-m conntrack --ctstate ESTABLISHED,RELATED -j RETURN',
    ...first,
    ...rules.flatMap((rule) =>
      matchesOf(rule, family).flatMap((match) =>
        (rule.action === 'allow' ? ['-j RETURN'] : denied).map(
          (verdict) =>
            `${match}${match && ' '}${verdict} -m comment --comment "${plain(rule.name, COMMENT)}"`,
        ),
      ),
    ),
    ...denied,
  ];
  return [
    ...heading(
      [`Load it with: ${tool}-restore --noflush FILE. Once: ${tool} -I OUTPUT -j BOUHEKI`, OWNERS],
      notes,
    ),
    '*filter',
    ':BOUHEKI - [0:0]',
    ...lines.map((line) => `-A BOUHEKI ${line}`),
    'COMMIT',
    '',
  ].join('\n');
}

/** One for each combination: what a rule matches of several is written several times. */
function matchesOf(rule: PortableRule, family: 4 | 6): string[] {
  const { from } = rule;
  const users = ownersOf('--uid-owner', from.uid, from.user);
  const groups = ownersOf('--gid-owner', from.gid, from.group);
  const addresses = prefixesOf(rule, family)?.map((prefix) => `-d ${prefix}`) ?? [''];
  const services = servicesOf(rule).flatMap(({ protocol, ports }) => {
    if (protocol === undefined) return [''];
    return chunksOf(ports).map((chunk) => `-p ${protocol}${chunk}`);
  });
  const owners = product(users, groups).map((each) => (each === '' ? '' : `-m owner ${each}`));
  return product(product(owners, addresses), services);
}

/** A match for each; an empty one where the rule is for everybody. */
function ownersOf(option: string, ids: readonly number[] = [], names: readonly string[] = []): string[] {
  if (ids.length + names.length === 0) return [''];
  // Who has the last number has none: the kernel takes it for "no id".
  return [...ids.filter((id) => id < NO_ID), ...names].map(
    (each) => `${option} ${plain(String(each), COMMENT)}`,
  );
}

function product(left: readonly string[], right: readonly string[]): string[] {
  return left.flatMap((one) => right.map((other) => [one, other].filter(Boolean).join(' ')));
}

function chunksOf(ports: readonly PortRange[] | undefined): string[] {
  if (ports === undefined) return [''];
  const chunks: string[][] = [];
  let room = 0;
  for (const range of ports) {
    const size = range.first === range.last ? 1 : 2;
    if (size > room) {
      chunks.push([]);
      room = PORTS;
    }
    chunks.at(-1)!.push(portText(range, ':'));
    room -= size;
  }
  return chunks.map((chunk) => ` -m multiport --dports ${chunk.join(',')}`);
}
