import type { Network } from '../../host/open/network.ts';
import { type OpenSocket, SocketState } from '../../host/open/socket-table.ts';
import { formatCount } from '../../format/number.ts';
import { formatAddress } from '../../policy/value/address.ts';
import { formatProtocol } from '../../policy/value/protocol.ts';
import type { RunningProcess } from '../../profiler/identity/running-process.ts';
import { type Finding, SHOWN } from './finding.ts';
import type { HostState } from './host-state.ts';
import { finalAddress, type Judge, type Outlook } from './judge.ts';

const TCP = 6;
const UDP = 17;

/** Open connections of one program to one destination that it would not get again. */
export interface LostConnection {
  command: string;
  pid: number;
  uid: number;
  exe?: string;
  container?: string;
  protocol: string;
  address: string;
  port: number;
  outlook: Exclude<Outlook, 'allowed'>;
  count: number;
}

/** How many connections are open, and which of those that were opened here would not be allowed. */
interface OpenConnections {
  accepted: number;
  opened: number;
  /** Of those opened here, those whose process can't be seen. */
  unknown: number;
  lost: LostConnection[];
}

/** Which of the connections that are open now the policy would not allow. */
export function checkConnections(judge: Judge, host: HostState): Finding {
  const check = 'connections';
  const { accepted, lost, opened, unknown } = openConnections(judge, host);
  const count = lost.reduce((sum, each) => sum + each.count, 0);
  const left = [
    ...(unknown > 0 ? [`Of ${unknown} the process can't be seen, or it is the kernel.`] : []),
    ...(host.moreNetworks > 0
      ? [
          `${formatCount(host.moreNetworks, 'network namespace was', 'network namespaces were')} not looked at.`,
        ]
      : []),
  ];
  const told = [
    `${formatCount(opened, 'connection that was opened here is', 'connections that were opened here are')} open, and ${formatCount(accepted, 'that was accepted', 'that were accepted')}, which ${accepted === 1 ? 'is' : 'are'} not judged.`,
    count === 0 ? 'All may go on.' : `Not allowed: ${count}.`,
    ...left,
  ].join(' ');
  if (count === 0) return { check, state: 'ok', what: told };
  return {
    check,
    state: 'warn',
    what: told,
    why: 'Their next send fails; with --cgroup, those of TCP go on, and new ones fail. Those "by name" are allowed where bouheki knows the name that was looked up.',
    remedy:
      'Allow them in the policy, or expect these programs to lose them; `bouheki close` closes them at once.',
    entries: lost,
    table: tableOf(lost),
  };
}

/** A connection that was opened here, and whose. */
export interface OpenedConnection {
  network: Network;
  protocol: typeof TCP | typeof UDP;
  socket: OpenSocket;
  /** Undefined where it can't be seen. */
  process: RunningProcess | undefined;
}

/**
 * The connections that were opened here, of those that a policy judges, and how many were accepted: which are told by
 * the ports that are listened at.
 */
export function openedConnections(
  judge: Judge,
  { holders, networks }: HostState,
): { opened: OpenedConnection[]; accepted: number } {
  const opened: OpenedConnection[] = [];
  let accepted = 0;
  for (const { network, tcp, udp } of networks) {
    const ports = new Set(tcp.filter(isListening).map(({ local }) => local.port));
    const connected = [
      ...tcp.filter((socket) => !isListening(socket)).map((socket) => ({ socket, protocol: TCP }) as const),
      ...udp.map((socket) => ({ socket, protocol: UDP }) as const),
    ].filter(({ socket }) => socket.remote.port !== 0);
    for (const { protocol, socket } of connected) {
      const process = holders.get(socket.inode);
      if (process !== undefined && !judge.judges(process)) continue;
      if (protocol === TCP && ports.has(socket.local.port)) accepted += 1;
      else opened.push({ network, process, protocol, socket });
    }
  }
  return { opened, accepted };
}

/** What a policy would say of what is sent on a connection. */
export function outlookOf(
  judge: Judge,
  process: RunningProcess,
  { protocol, socket: { remote } }: Pick<OpenedConnection, 'protocol' | 'socket'>,
): Outlook {
  return judge.ofSend(process, { address: finalAddress(remote), port: remote.port, protocol });
}

/** Which of the connections that are open would not be allowed, those of a process to one destination together. */
function openConnections(judge: Judge, host: HostState): OpenConnections {
  const { accepted, opened } = openedConnections(judge, host);
  return {
    accepted,
    opened: opened.length,
    unknown: opened.filter(({ process }) => process === undefined).length,
    lost: gather(judge, opened),
  };
}

/** Those that would not be allowed, the most of a process and destination first. */
export function gather(judge: Judge, opened: readonly OpenedConnection[]): LostConnection[] {
  const lost = new Map<string, LostConnection>();
  for (const { process, ...connection } of opened)
    if (process !== undefined) add(lost, judge, process, connection);
  return [...lost.values()].toSorted((a, b) => b.count - a.count);
}

function isListening({ state }: OpenSocket): boolean {
  return state === SocketState.listen;
}

function add(
  lost: Map<string, LostConnection>,
  judge: Judge,
  process: RunningProcess,
  connection: Pick<OpenedConnection, 'protocol' | 'socket'>,
): void {
  const outlook = outlookOf(judge, process, connection);
  if (outlook === 'allowed') return;
  const { protocol, socket } = connection;
  const address = formatAddress(finalAddress(socket.remote));
  const key = [process.pid, protocol, address, socket.remote.port].join();
  const known = lost.get(key);
  if (known !== undefined) {
    known.count += 1;
    return;
  }
  const { command, container, exe, pid, uid } = process;
  lost.set(key, {
    command,
    pid,
    uid,
    ...(exe !== undefined && { exe }),
    ...(container !== undefined && { container }),
    protocol: formatProtocol(protocol),
    address,
    port: socket.remote.port,
    outlook,
    count: 1,
  });
}

/** Those for people, as far as they are not too many. */
export function tableOf(lost: readonly LostConnection[]): NonNullable<Finding['table']> {
  const rows = lost
    .slice(0, SHOWN)
    .map(({ address, command, container, count, exe, outlook, pid, port, protocol, uid }) => [
      `${exe ?? command}${container === undefined ? '' : ` in ${container}`}`,
      String(pid),
      String(uid),
      `${protocol} ${address.includes(':') ? `[${address}]` : address}:${port}`,
      String(count),
      outlook,
    ]);
  if (lost.length > SHOWN) rows.push([`and ${lost.length - SHOWN} more`, '', '', '', '', '']);
  return { head: ['PROGRAM', 'PID', 'UID', 'DESTINATION', 'COUNT', 'OUTLOOK'], rows };
}
