import { findNetworks, type Network } from '../../host/open/network.ts';
import { holdersOfAll } from '../../host/open/socket-holder.ts';
import { readSocketTable, type SocketTable } from '../../host/open/socket-table.ts';
import { RunningProcesses, type RunningProcess } from '../../profiler/identity/running-process.ts';

/** What is open in a network namespace. */
interface NetworkState extends SocketTable {
  network: Network;
}

/** What is open on this host at one moment, in the network namespaces of all processes that can be seen. */
export interface HostState {
  /** The first is our own. */
  networks: NetworkState[];
  /** How many network namespaces were left out. */
  moreNetworks: number;
  /** A process that has it, of each socket, by inode. None where that can't be seen. */
  holders: ReadonlyMap<string, RunningProcess>;
}

/** Looks at all that is open. The processes are looked at after the sockets: what is gone by then is left out. */
export async function lookAtHost(): Promise<HostState> {
  const { more, networks } = findNetworks();
  const tables = networks.map((network) =>
    Object.assign(readSocketTable(network.own ? 'self' : network.pid), { network }),
  );
  const listed = new Set(
    tables.flatMap(({ packet, raw, tcp, udp }) =>
      [...packet, ...raw, ...tcp, ...udp].map(({ inode }) => inode),
    ),
  );
  const held = [...holdersOfAll()].filter(([inode]) => listed.has(inode));
  const processes = await new RunningProcesses().read(held.map(([, pid]) => pid));
  const holders = held.flatMap(([inode, pid]): [string, RunningProcess][] => {
    const process = processes.get(pid);
    return process === undefined ? [] : [[inode, process]];
  });
  return { networks: tables, moreNetworks: more, holders: new Map(holders) };
}
