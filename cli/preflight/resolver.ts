import { formatAddress } from '../../policy/value/address.ts';
import { namesHosts } from '../../policy/meaning/known-name.ts';
import { configuredResolvers } from '../../profiler/name/resolvers.ts';
import { type Finding, someOf } from './finding.ts';
import type { Judge } from './judge.ts';

type Resolver = ReturnType<typeof configuredResolvers>[number];

/** By what resolvers are asked: DNS by UDP and TCP, DNS over TLS. */
const DNS = [
  { port: 53, protocol: 17 },
  { port: 53, protocol: 6 },
  { port: 853, protocol: 6 },
];

/** Whether somebody may ask each resolver that this host is set up with. */
export function checkResolvers(judge: Judge, resolvers = configuredResolvers()): Finding {
  const check = 'resolvers';
  if (resolvers.length === 0) {
    return { check, state: 'ok', what: 'No file of this host names a resolver.' };
  }
  const judged = resolvers.map((resolver) => ({ ...resolver, rules: rulesFor(judge, resolver) }));
  const entries = judged.map(({ address, file, rules }) => ({
    address: formatAddress(address),
    file,
    rules,
  }));
  const denied = entries.filter(({ rules }) => rules.length === 0);
  if (denied.length === 0) {
    const what = entries.map(({ address, rules }) => `${address} is allowed by ${someOf(rules)}`).join('; ');
    return { check, state: 'ok', what: `${what}.`, entries };
  }
  const names = [...new Set(denied.map(({ address, file }) => `${address} (${file})`))];
  const cidr = [...new Set(denied.map(({ address }) => (address.includes(':') ? `"${address}"` : address)))];
  return {
    check,
    state: judge.partial ? 'warn' : 'stop',
    what: `No rule allows anybody to ask ${someOf(names)}.`,
    why: namesHosts(judge.policy)
      ? 'No name would be resolved any more, and no rule by name would allow anything.'
      : 'No name would be resolved any more.',
    remedy: `Add a rule with to: [{ cidr: [${cidr.join(', ')}], port: [53], protocol: [udp, tcp] }].`,
    entries,
  };
}

function rulesFor(judge: Judge, { address }: Resolver): string[] {
  return [...new Set(DNS.flatMap((how) => judge.rulesFor({ address, ...how })))];
}
