import { type Address, parseAddress } from '../../policy/value/address.ts';
import { type Finding, someOf } from './finding.ts';
import type { HostState } from './host-state.ts';
import { type Destination, isForAll, type Judge } from './judge.ts';

const LOOPBACK = ['127.0.0.1', '::1'].map((text) => parseAddress(text)!);
const UDP = 17;

/** What the policy means for connections within this host. */
export function checkLoopback(judge: Judge): Finding {
  const check = 'loopback';
  const [v4, v6] = LOOPBACK.map((address) => judge.rulesReaching(address)) as [string[], string[]];
  const all = [...new Set([...v4, ...v6])];
  if (all.length === 0) {
    return {
      check,
      state: 'warn',
      what: 'No rule allows anybody to connect within this host (127.0.0.0/8, ::1).',
      why: 'Programs that use a database, a proxy or a resolver of this host would fail.',
      remedy: 'Where such programs are, add a rule with to: [{ cidr: [loopback] }].',
    };
  }
  const open = judge.policy.boxes.find(
    (box) =>
      box.action === 'allow' && isForAll(box) && !box.to.ports && !box.to.protocols && all.includes(box.name),
  );
  const who = open === undefined ? `what ${someOf(all)} allow` : `everybody, by ${open.name}`;
  const half =
    v4.length === 0
      ? ' 127.0.0.1 is allowed to nobody.'
      : v6.length === 0
        ? ' ::1 is allowed to nobody.'
        : '';
  return { check, state: 'ok', what: `Connections within this host: ${who}.${half}` };
}

/** The ports of clients, and where they ask for a lease. */
const DHCP = [
  { client: 68, ...asked('255.255.255.255', 67) },
  { client: 546, ...asked('ff02::1:2', 547) },
];

function asked(address: string, port: number): { to: Destination } {
  return { to: { address: parseAddress(address) as Address, port, protocol: UDP } };
}

/** Whether a lease of this host would be renewed. */
export function checkDhcp(judge: Judge, { holders, networks }: HostState): Finding {
  const check = 'dhcp';
  const clients = networks[0]!.udp.flatMap(({ inode, local }) => {
    const how = DHCP.find(({ client }) => client === local.port);
    const process = holders.get(inode);
    if (how === undefined || process === undefined || !judge.judges(process)) return [];
    return [{ process, outlook: judge.ofSend(process, how.to), port: how.to.port }];
  });
  const denied = clients.filter(({ outlook }) => outlook !== 'allowed');
  if (denied.length > 0) {
    const who = denied.map(({ port, process }) => `${process.command} (pid ${process.pid}, UDP ${port})`);
    return {
      check,
      state: 'warn',
      what: `The DHCP client may not ask for a lease: ${someOf([...new Set(who)])}.`,
      why: 'The address of this host may end with its lease.',
      remedy:
        'Add a rule for this program with port: [67, 547], protocol: [udp], and sockets: [packet] if it opens one.',
    };
  }
  if (clients.length > 0) {
    const who = [...new Set(clients.map(({ process }) => `${process.command} (pid ${process.pid})`))];
    return { check, state: 'ok', what: `The DHCP client may ask for a lease: ${someOf(who)}.` };
  }
  const rules = judge.rulesFor(DHCP[0]!.to);
  const by =
    rules.length === 0 ? 'no rule allows one to ask for a lease' : `${someOf(rules)} would allow one to ask`;
  return { check, state: 'ok', what: `No DHCP client waits at its port; ${by}.` };
}
