import type { Ability } from './rule.ts';

/** What nftables and iptables can tell apart, which both ask netfilter. */
export const NETFILTER: Ability = {
  from: ['uid', 'user', 'gid', 'group'],
  names: false,
  ports: true,
  deny: true,
  monitor: true,
};

/** What netfilter takes for the user and the group of a connection. */
export const OWNERS =
  'Users and groups are those that made the socket (fsuid, fsgid); other groups of a process do not count.';
