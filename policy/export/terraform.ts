import { formatPrefix } from '../value/cidr.ts';
import { aclEntries, groupRules } from './aws.ts';
import type { Portable } from './rule.ts';
import { heading } from './words.ts';

/** Rules for the security group of a variable. Source: aws_vpc_security_group_egress_rule of the provider. */
export function terraformGroup(portable: Portable): string {
  const blocks = groupRules(portable).map(({ description, ports, prefix, protocol }, at) =>
    resource('aws_vpc_security_group_egress_rule', at, [
      ['security_group_id', 'var.security_group_id'],
      [prefix.family === 4 ? 'cidr_ipv4' : 'cidr_ipv6', text(formatPrefix(prefix))],
      ['ip_protocol', text(protocol)],
      ...(ports
        ? ([
            ['from_port', ports.first],
            ['to_port', ports.last],
          ] as const)
        : []),
      ['description', text(description)],
    ]),
  );
  return [...heading([], portable.notes), variable('security_group_id'), ...blocks].join('\n');
}

/** Entries for the network ACL of a variable. Source: aws_network_acl_rule of the provider. */
export function terraformAcl(portable: Portable): string {
  const blocks = aclEntries(portable).map(({ action, number, ports, prefix, protocol }, at) =>
    resource('aws_network_acl_rule', at, [
      ['network_acl_id', 'var.network_acl_id'],
      ['egress', true],
      ['rule_number', number],
      ['rule_action', text(action)],
      ['protocol', text(protocol)],
      [prefix.family === 4 ? 'cidr_block' : 'ipv6_cidr_block', text(formatPrefix(prefix))],
      ...(ports
        ? ([
            ['from_port', ports.first],
            ['to_port', ports.last],
          ] as const)
        : []),
    ]),
  );
  return [...heading([], portable.notes), variable('network_acl_id'), ...blocks].join('\n');
}

function variable(name: string): string {
  return `variable "${name}" {\n  type = string\n}\n`;
}

/** Arguments are aligned as `terraform fmt` has them. */
function resource(type: string, at: number, args: readonly (readonly [string, unknown])[]): string {
  const width = Math.max(...args.map(([key]) => key.length));
  const lines = args.map(([key, value]) => `  ${key.padEnd(width)} = ${String(value)}`);
  return `resource "${type}" "egress_${at + 1}" {\n${lines.join('\n')}\n}\n`;
}

/** `\${` would begin an expression; names have neither quotes nor backslashes by now. */
function text(value: string): string {
  return `"${value.replace(/[$%]\{/g, '??')}"`;
}
