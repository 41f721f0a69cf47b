import type { Policy } from '../meaning/policy.ts';
import { NETWORK_ACL, networkAcl, SECURITY_GROUP, securityGroup } from './aws.ts';
import { iptables } from './iptables.ts';
import { CILIUM, cilium, KUBERNETES, networkPolicy } from './kubernetes.ts';
import { NETFILTER } from './netfilter.ts';
import { nftables } from './nftables.ts';
import { portable } from './portable.ts';
import type { Ability, Note, Portable } from './rule.ts';
import { SYSTEMD, systemd } from './systemd.ts';
import { terraformAcl, terraformGroup } from './terraform.ts';

interface Target {
  ability: Ability;
  render(rules: Portable): string;
}

/** The other enforcers that a policy can be written for. */
export const TARGETS = {
  nftables: { ability: NETFILTER, render: nftables },
  iptables: { ability: NETFILTER, render: (rules) => iptables(rules, 4) },
  ip6tables: { ability: NETFILTER, render: (rules) => iptables(rules, 6) },
  systemd: { ability: SYSTEMD, render: systemd },
  kubernetes: { ability: KUBERNETES, render: networkPolicy },
  cilium: { ability: CILIUM, render: cilium },
  'aws-security-group': { ability: SECURITY_GROUP, render: securityGroup },
  'aws-network-acl': { ability: NETWORK_ACL, render: networkAcl },
  'terraform-security-group': { ability: SECURITY_GROUP, render: terraformGroup },
  'terraform-network-acl': { ability: NETWORK_ACL, render: terraformAcl },
} as const satisfies Record<string, Target>;
export type TargetName = keyof typeof TARGETS;

/** Changes the rules before they are written, such as to have fewer. */
export type Fit = (rules: Portable) => Portable;

/** A policy for another enforcer, and what that does otherwise. Pure: the same policy gives the same text. */
export function exportPolicy(
  policy: Policy,
  target: TargetName,
  fit: Fit = (rules) => rules,
): { text: string; notes: readonly Note[] } {
  const { ability, render }: Target = TARGETS[target];
  const rules = fit(portable(policy, ability));
  const text = render(rules);
  return { text, notes: rules.notes };
}
