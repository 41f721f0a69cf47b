import { containsPrefix, type Prefix } from '../value/cidr.ts';
import type { PortRange } from '../value/port.ts';
import type { Ability, Note, Portable, PortableRule } from './rule.ts';
import { addNote, heading, named, plain, short } from './words.ts';

export const KUBERNETES: Ability = { from: [], names: false, ports: true, deny: false, monitor: false };
export const CILIUM: Ability = { from: [], names: true, ports: true, deny: true, monitor: false };

/** What both call the protocols that they know. */
const PROTOCOLS: ReadonlyMap<number, string> = new Map([
  [6, 'TCP'],
  [17, 'UDP'],
  [132, 'SCTP'],
]);
/** Ports in one rule of Cilium. Source: its API, `PortRule.ports`. */
const PORTS = 40;

const PODS = 'It selects all pods of its namespace: give podSelector or endpointSelector labels for fewer.';

/** A NetworkPolicy. Source: networking.k8s.io/v1. */
export function networkPolicy({ notes, rules }: Portable): string {
  const egress = rules.flatMap((rule) => {
    const ports = portsOf(rule, notes);
    if (ports === undefined) return [];
    const lines = [
      ...(rule.prefixes ? ['to:', ...rule.prefixes.map((each) => `  - ${ipBlock(each, rule.except)}`)] : []),
      ...(ports.length > 0 ? ['ports:', ...ports.map((port) => `  - ${kubernetesPort(port)}`)] : []),
    ];
    return itemOf(lines, rule);
  });
  return [
    ...heading([PODS], notes),
    'apiVersion: networking.k8s.io/v1',
    'kind: NetworkPolicy',
    'metadata: { name: egress }',
    'spec:',
    '  podSelector: {}',
    '  policyTypes: [Egress]',
    egress.length === 0 ? '  egress: []' : '  egress:',
    ...egress.map((line) => `    ${line}`),
    '',
  ].join('\n');
}

/** A CiliumNetworkPolicy. Source: cilium.io/v2. */
export function cilium({ notes, rules }: Portable): string {
  if (rules.some(({ names }) => names !== undefined)) {
    addNote(notes, {
      effect: 'wider',
      what: 'a name stands for every address of its answers, private ones too',
    });
    addNote(notes, {
      effect: 'other',
      what: 'names need a rule that sends DNS through its proxy: it is the first one',
    });
  }
  const sections = (['allow', 'deny'] as const).map((action) =>
    rules.filter((rule) => rule.action === action).flatMap((rule) => ciliumItem(rule, notes)),
  );
  const [allow, deny] = sections as [string[], string[]];
  if (rules.some(({ names }) => names !== undefined)) allow.unshift(...DNS);
  return [
    ...heading([PODS], notes),
    'apiVersion: cilium.io/v2',
    'kind: CiliumNetworkPolicy',
    'metadata: { name: egress }',
    'spec:',
    '  endpointSelector: {}',
    allow.length === 0 ? '  egress: [{}]' : '  egress:',
    ...allow.map((line) => `    ${line}`),
    ...(deny.length === 0 ? [] : ['  egressDeny:', ...deny.map((line) => `    ${line}`)]),
    '',
  ].join('\n');
}

const DNS = [
  '- toEndpoints:',
  '    - matchLabels: { "k8s:io.kubernetes.pod.namespace": kube-system, "k8s:k8s-app": kube-dns }',
  '  toPorts:',
  '    - ports: [{ port: "53", protocol: ANY }]',
  '      rules: { dns: [{ matchPattern: "*" }] }',
];

function ciliumItem(rule: PortableRule, notes: Note[]): string[] {
  const ports = portsOf(rule, notes);
  if (ports === undefined) return [];
  const { names, prefixes } = rule;
  if (names !== undefined && prefixes !== undefined)
    addNote(notes, {
      effect: 'wider',
      rule: rule.name,
      what: 'its names may have other addresses than its cidr',
    });
  for (const name of names?.filter((each) => each.startsWith('*.')) ?? [])
    addNote(notes, { effect: 'narrower', rule: rule.name, what: `${name} stands for one label here` });
  const where =
    names !== undefined
      ? ['toFQDNs:', ...names.map((each) => `  - ${fqdn(each)}`)]
      : prefixes === undefined
        ? ['toEntities: [all]']
        : ['toCIDR:', ...prefixes.map((each) => `  - ${long(short(each))}`)];
  const services = ports.map(ciliumPort);
  const blocks = [];
  for (let at = 0; at < services.length; at += PORTS)
    blocks.push(`  - ports: [${services.slice(at, at + PORTS).join(', ')}]`);
  return itemOf([...where, ...(blocks.length > 0 ? ['toPorts:', ...blocks] : [])], rule);
}

interface Port {
  protocol: string;
  range?: PortRange;
}

/** Protocols and ports; empty for all of them, undefined where none can be written. */
function portsOf(rule: PortableRule, notes: Note[]): Port[] | undefined {
  const services = named(rule, PROTOCOLS, notes);
  if (services.length === 0) return undefined;
  return services.flatMap(({ protocol, ports }) => {
    if (protocol === undefined) return [];
    // There is no port 0 here.
    const ranges = ports?.filter(({ last }) => last > 0);
    return (
      ranges?.map(({ first, last }) => ({ protocol, range: { first: first || 1, last } })) ?? [{ protocol }]
    );
  });
}

function ipBlock(prefix: Prefix, except: readonly Prefix[] = []): string {
  const inside = except.filter((each) => containsPrefix(prefix, each)).map((each) => long(short(each)));
  return `ipBlock: { cidr: ${long(short(prefix))}${inside.length === 0 ? '' : `, except: [${inside.join(', ')}]`} }`;
}

function kubernetesPort({ protocol, range }: Port): string {
  if (range === undefined) return `{ protocol: ${protocol} }`;
  const end = range.last > range.first ? `, endPort: ${range.last}` : '';
  return `{ protocol: ${protocol}, port: ${range.first}${end} }`;
}

function ciliumPort({ protocol, range }: Port): string {
  const { first, last } = range ?? { first: 1, last: 65_535 };
  return `{ port: "${first}"${last > first ? `, endPort: ${last}` : ''}, protocol: ${protocol} }`;
}

/** `*` alone stands for every name. */
function fqdn(name: string): string {
  return name.includes('*') ? `matchPattern: "${plain(name, 255)}"` : `matchName: "${plain(name, 255)}"`;
}

/** An item of a list, with the name of its rule. */
function itemOf(lines: readonly string[], { name }: PortableRule): string[] {
  if (lines.length === 0) return [`- {} # ${plain(name, 200)}`];
  return lines.map((line, at) => (at === 0 ? `- ${line} # ${plain(name, 200)}` : `  ${line}`));
}

/** These want the length always. */
function long(prefix: string): string {
  if (prefix.includes('/')) return `"${prefix}"`;
  return `"${prefix}/${prefix.includes(':') ? 128 : 32}"`;
}
