import type { PortRange } from '../value/port.ts';
import { formatPrefix, type Prefix } from '../value/cidr.ts';
import type { Ability, Note, Portable, PortableRule } from './rule.ts';
import { addressesOf, EVERYWHERE } from './rule.ts';
import { addNote, named, plain, type Service, servicesOf } from './words.ts';

export const SECURITY_GROUP: Ability = { from: [], names: false, ports: true, deny: false, monitor: false };
export const NETWORK_ACL: Ability = { ...SECURITY_GROUP, deny: true };

/** Outbound rules of a security group, for each family, and of a network ACL, unless the account has other quotas. */
export const MOST_RULES = { securityGroup: 60, networkAcl: 20 } as const;

/** Characters of a description. */
const DESCRIPTION = 255;

/** What has ports in a security group: the numbers of others stand alone. */
const WITH_PORTS: ReadonlyMap<number, string> = new Map([
  [6, 'tcp'],
  [17, 'udp'],
]);
/** `icmp` and `icmpv6`, with every type and code. */
const ICMP: ReadonlyMap<number, string> = new Map([
  [1, 'icmp'],
  [58, 'icmpv6'],
]);

/** One outbound rule of a security group. */
export interface GroupRule {
  /** A name or a number; `-1` is every protocol. */
  protocol: string;
  /** Undefined: every port. Of ICMP -1 is every type. */
  ports: PortRange | undefined;
  prefix: Prefix;
  description: string;
}

/** The rules of a security group: one for each protocol, range of ports and prefix. */
export function groupRules({ notes, rules }: Portable): GroupRule[] {
  return rules.flatMap((rule) => {
    const services = servicesOf(withoutLost(rule, notes)).flatMap((service) => groupServices(service));
    const description = plain(rule.name, DESCRIPTION).replace(/[^a-zA-Z0-9 ._\-:/()#,@[\]+=&;{}!*]/g, '?');
    return services.flatMap(({ ports, protocol }) =>
      (addressesOf(rule) ?? EVERYWHERE).map((prefix) => ({ protocol, ports, prefix, description })),
    );
  });
}

/** Ports are of TCP and UDP alone here. */
function withoutLost(rule: PortableRule, notes: Note[]): PortableRule {
  if (rule.ports === undefined) return rule;
  const found = named(rule, WITH_PORTS, notes);
  const protocols = [...WITH_PORTS].filter(([, name]) => found.some(({ protocol }) => protocol === name));
  return { ...rule, protocols: protocols.map(([number]) => number) };
}

function groupServices({ ports, protocol }: Service): Pick<GroupRule, 'protocol' | 'ports'>[] {
  if (protocol === undefined) return [{ protocol: '-1', ports: undefined }];
  const icmp = ICMP.get(protocol);
  if (icmp !== undefined) return [{ protocol: icmp, ports: { first: -1, last: -1 } }];
  const name = WITH_PORTS.get(protocol);
  if (name === undefined) return [{ protocol: String(protocol), ports: undefined }];
  return (ports ?? [{ first: 0, last: 65_535 }]).map((range) => ({ protocol: name, ports: range }));
}

/** IpPermissions for `aws ec2 authorize-security-group-egress --ip-permissions`. */
export function securityGroup(portable: Portable): string {
  const groups = new Map<string, Record<string, unknown> & { IpRanges: object[]; Ipv6Ranges: object[] }>();
  for (const { description, ports, prefix, protocol } of groupRules(portable)) {
    const key = `${protocol} ${ports?.first} ${ports?.last}`;
    const group = groups.get(key) ?? {
      IpProtocol: protocol,
      ...(ports && { FromPort: ports.first, ToPort: ports.last }),
      IpRanges: [],
      Ipv6Ranges: [],
    };
    groups.set(key, group);
    if (prefix.family === 4) group.IpRanges.push({ CidrIp: formatPrefix(prefix), Description: description });
    else group.Ipv6Ranges.push({ CidrIpv6: formatPrefix(prefix), Description: description });
  }
  const permissions = [...groups.values()].map((group) =>
    Object.fromEntries(
      Object.entries(group).filter(([, value]) => !Array.isArray(value) || value.length > 0),
    ),
  );
  return `${JSON.stringify(permissions, null, 2)}\n`;
}

/** One outbound entry of a network ACL. */
export interface AclEntry {
  number: number;
  /** `-1` is every protocol. */
  protocol: string;
  action: 'allow' | 'deny';
  prefix: Prefix;
  ports: PortRange | undefined;
}

/** The first number, and the distance of two, so that others fit between. */
const STEP = 100;
/** The largest number that there is. */
const LARGEST = 32_766;

/** The entries of a network ACL, those that deny first. */
export function aclEntries({ notes, rules }: Portable): AclEntry[] {
  const parts: AclEntry[] = rules.flatMap((rule) =>
    servicesOf(withoutLost(rule, notes)).flatMap((service) =>
      aclServices(service).flatMap(({ ports, protocol }) =>
        (addressesOf(rule) ?? EVERYWHERE).map((prefix) => ({
          number: 0,
          protocol,
          ports,
          action: rule.action,
          prefix,
        })),
      ),
    ),
  );
  const step = Math.max(1, Math.min(STEP, Math.floor(LARGEST / Math.max(1, parts.length))));
  if (parts.length > MOST_RULES.networkAcl) {
    const what = `${parts.length} entries, where an account has ${MOST_RULES.networkAcl} unless it asks for more`;
    addNote(notes, { effect: 'other', what });
  }
  addNote(notes, {
    effect: 'narrower',
    what: 'it keeps no state: answers to those who connect to these machines need the ephemeral ports',
  });
  for (const [at, part] of parts.entries()) part.number = (at + 1) * step;
  return parts;
}

function aclServices({ ports, protocol }: Service): Pick<AclEntry, 'protocol' | 'ports'>[] {
  if (protocol === undefined) return [{ protocol: '-1', ports: undefined }];
  if (!WITH_PORTS.has(protocol)) return [{ protocol: String(protocol), ports: undefined }];
  return (ports ?? [{ first: 0, last: 65_535 }]).map((range) => ({
    protocol: String(protocol),
    ports: range,
  }));
}

/** A list of inputs for `aws ec2 create-network-acl-entry --cli-input-json`, but for the id of the ACL. */
export function networkAcl(portable: Portable): string {
  return `${JSON.stringify(aclEntries(portable).map(entryInput), null, 2)}\n`;
}

/** What is undefined is not written. */
function entryInput({ action, number, ports, prefix, protocol }: AclEntry): object {
  const block = formatPrefix(prefix);
  return {
    RuleNumber: number,
    Egress: true,
    Protocol: protocol,
    RuleAction: action,
    CidrBlock: prefix.family === 4 ? block : undefined,
    Ipv6CidrBlock: prefix.family === 6 ? block : undefined,
    PortRange: ports && { From: ports.first, To: ports.last },
    IcmpTypeCode: ICMP.has(Number(protocol)) ? { Type: -1, Code: -1 } : undefined,
  };
}
