import { acceptedAddresses } from '../../host/open/mptcp.ts';
import { findTunnels } from '../../host/open/tunnel.ts';
import { formatCount } from '../../format/number.ts';
import type { SocketKind } from '../../policy/value/socket-kind.ts';
import { type Finding, SHOWN, someOf } from './finding.ts';
import type { HostState } from './host-state.ts';
import type { Judge, Outlook } from './judge.ts';

/** Devices by which packets leave in other packets. */
export function checkTunnels(devices = findTunnels()): Finding {
  const check = 'tunnels';
  const up = devices.filter((device) => device.up);
  const named = up.map(({ kind, name }) => `${name} (${kind})`);
  if (up.length === 0) {
    const down =
      devices.length === 0 ? '' : ` ${formatCount(devices.length, 'device is', 'devices are')} down.`;
    return { check, state: 'ok', what: `No tunnel device is up.${down}`, entries: devices };
  }
  return {
    check,
    state: 'warn',
    what: `${formatCount(up.length, 'tunnel device is', 'tunnel devices are')} up: ${someOf(named, 8)}.`,
    why: 'What is sent into a tunnel is judged by its own address. The packets around it are those of the kernel and are not judged, but for tun and tap, whose program sends them.',
    remedy: 'Allow only whom you trust to send into it; no option of bouheki looks at the outer packets.',
    entries: devices,
  };
}

/** MPTCP by which the kernel connects by itself to what a peer announces. */
export function checkMptcp(accepted = acceptedAddresses()): Finding {
  const check = 'mptcp';
  switch (accepted) {
    case 'off':
      return { check, state: 'ok', what: 'This kernel speaks no MPTCP.' };
    case undefined:
      return {
        check,
        state: 'warn',
        what: 'Whether the kernel connects to addresses that a peer of MPTCP announces is not known: ip(8) did not tell.',
        remedy:
          'Install iproute2 and look at `ip mptcp limits`: add_addr_accepted should be 0, as it is at first.',
      };
    case 0:
      return {
        check,
        state: 'ok',
        what: 'The kernel connects to no address that a peer of MPTCP announces.',
      };
    default:
      return {
        check,
        state: 'warn',
        what: `The kernel connects to up to ${accepted} addresses that a peer of MPTCP announces (add_addr_accepted).`,
        why: 'Such a connection is one of the kernel and is not judged: the peer chooses its address.',
        remedy: 'Run `ip mptcp limits set add_addr_accepted 0`.',
      };
  }
}

/** An open socket that names no destination where it is opened. */
interface OpenKind {
  kind: SocketKind;
  command: string;
  pid: number;
  uid: number;
  exe?: string;
  container?: string;
  opening: Outlook;
}

/** Raw and packet sockets that are open, and whose they are. */
export function checkSockets(judge: Judge, { holders, networks }: HostState): Finding {
  const check = 'sockets';
  const open = networks.flatMap(({ packet, raw }) => [
    ...raw.map(({ inode }) => ({ inode, kind: 'raw' as const })),
    ...packet.map(({ inode }) => ({ inode, kind: 'packet' as const })),
  ]);
  const entries = open.flatMap(({ inode, kind }): OpenKind[] => {
    const process = holders.get(inode);
    if (process === undefined || !judge.judges(process)) return [];
    const { command, container, exe, pid, uid } = process;
    const where = { ...(exe !== undefined && { exe }), ...(container !== undefined && { container }) };
    return [{ kind, command, pid, uid, ...where, opening: judge.ofOpening(process, kind) }];
  });
  const unseen = open.filter(({ inode }) => !holders.has(inode)).length;
  const others = unseen === 0 ? '' : ` Of ${unseen} more the owner is not known.`;
  if (entries.length === 0 && unseen === 0) {
    return { check, state: 'ok', what: 'No raw or packet socket is open.' };
  }
  return {
    check,
    state: 'warn',
    what: `${formatCount(entries.length, 'raw or packet socket is', 'raw or packet sockets are')} open.${others}`,
    why: 'One that the policy does not allow fails at its next send. One that it allows can send to any address, and so can a program that inherits it.',
    remedy:
      'End what is not to have one; allow one with sockets: [raw] or sockets: [packet] in a rule for its program.',
    entries,
    table: tableOf(entries),
  };
}

function tableOf(entries: readonly OpenKind[]): NonNullable<Finding['table']> {
  const rows = entries
    .slice(0, SHOWN)
    .map(({ command, container, exe, kind, opening, pid, uid }) => [
      kind,
      `${exe ?? command}${container === undefined ? '' : ` in ${container}`}`,
      String(pid),
      String(uid),
      opening,
    ]);
  if (entries.length > SHOWN) rows.push([`and ${entries.length - SHOWN} more`, '', '', '', '']);
  return { head: ['SOCKET', 'PROGRAM', 'PID', 'UID', 'OPENING IT'], rows };
}
