import { BouhekiError } from '../../error/error.ts';
import { formatCount } from '../../format/number.ts';
import { visible } from '../../error/visible.ts';
import type { Network } from '../../host/open/network.ts';
import { closeConnections } from '../../host/open/socket-close.ts';
import { readSocketTable } from '../../host/open/socket-table.ts';
import { policyAt } from '../../policy/meaning/end.ts';
import { followLinks } from '../../policy/meaning/linked-path.ts';
import { blocksSome } from '../../policy/meaning/mode.ts';
import { accountsFor } from '../option/account-table.ts';
import { realPaths } from '../option/linked-path.ts';
import { warnAtOnce } from '../option/policy-reader.ts';
import { PolicySource } from '../option/policy-source.ts';
import {
  gather,
  type OpenedConnection,
  openedConnections,
  outlookOf,
  tableOf,
} from '../preflight/connection.ts';
import { lookAtHost } from '../preflight/host-state.ts';
import { Judge } from '../preflight/judge.ts';
import { watchedCgroup } from '../preflight/preflight.ts';
import { jsonDocument } from '../terminal/json-document.ts';
import { formatTable } from '../terminal/table.ts';
import { viewOf } from '../terminal/view.ts';

/** What `close` was asked for, as commander hands it over. */
export interface CloseOptions {
  /** Directory of the cgroup that is enforced alone. */
  cgroup?: string;
  json: boolean;
  yes: boolean;
}

type Denied = OpenedConnection & { process: NonNullable<OpenedConnection['process']> };

/** Lists the open connections that a policy denies, and closes them where that is asked for. */
export async function close(file: string, { cgroup, json, yes }: CloseOptions): Promise<void> {
  const read = new PolicySource(undefined, warnAtOnce).read(file);
  if (!blocksSome(read.policy)) {
    throw new BouhekiError('policy', `${file} only monitors, so it denies no connection`, {
      remedy: 'name a policy that blocks',
    });
  }
  if (yes && process.geteuid?.() !== 0) {
    throw new BouhekiError('privilege', 'only root can close connections of others', {
      remedy: 'run it as root, or leave --yes out to list them',
    });
  }
  if (process.geteuid?.() !== 0) {
    process.stderr.write(
      'Warning: only root sees whose the connections of other users are. They are left out.\n',
    );
  }
  const policy = policyAt(followLinks(read.policy, realPaths).policy, Date.now() * 1000);
  const judge = new Judge(policy, await accountsFor(policy), watchedCgroup(cgroup));
  const denied = await findDenied(judge);
  const { left, why } = yes ? closeAll(denied) : { left: denied, why: undefined };
  if (json) {
    const connections = gather(judge, denied).map(({ outlook: _outlook, ...rest }) => rest);
    const counts = { open: denied.length, closed: denied.length - left.length };
    process.stdout.write(jsonDocument('close', { ...counts, connections }));
  } else {
    const { head, rows } = tableOf(gather(judge, denied));
    if (rows.length > 0) {
      const lines = formatTable(
        head.slice(0, -1),
        rows.map((row) => row.slice(0, -1)),
        { view: viewOf(process.stdout) },
      );
      process.stdout.write(`${lines.join('\n')}\n`);
    }
    process.stdout.write(`${visible(describe(file, denied.length, left.length, yes))}\n`);
  }
  if (yes && left.length > 0) {
    throw new BouhekiError(
      'kernel',
      `${formatCount(left.length, 'connection is', 'connections are')} still open`,
      {
        remedy: 'end these programs, or restart them: this kernel closes no connection of others',
        detail: why,
      },
    );
  }
  if (left.length > 0) process.exitCode = 1;
}

/** Those by a name that may be known are left: only the kernel side knows whether it is. */
async function findDenied(judge: Judge): Promise<Denied[]> {
  const { opened } = openedConnections(judge, await lookAtHost());
  return opened.filter(
    (each): each is Denied => each.process !== undefined && outlookOf(judge, each.process, each) === 'denied',
  );
}

/** Returns those that are still open, and why, where that is known. */
function closeAll(denied: readonly Denied[]): { left: Denied[]; why: string | undefined } {
  const byNetwork = new Map<Network, Denied[]>();
  for (const each of denied) byNetwork.set(each.network, [...(byNetwork.get(each.network) ?? []), each]);
  let why: string | undefined;
  const left: Denied[] = [];
  for (const [network, connections] of byNetwork) {
    why =
      closeConnections(
        network,
        connections.map(({ protocol, socket }) => ({ protocol: protocol === 6 ? 'tcp' : 'udp', socket })),
      ) ?? why;
    left.push(...stillOpen(network, connections));
  }
  return { left, why };
}

function stillOpen(network: Network, connections: readonly Denied[]): Denied[] {
  const { tcp, udp } = readSocketTable(network.own ? 'self' : network.pid);
  const open = new Set([...tcp, ...udp].filter(({ remote }) => remote.port !== 0).map(({ inode }) => inode));
  return connections.filter(({ socket }) => open.has(socket.inode));
}

function describe(file: string, open: number, left: number, yes: boolean): string {
  if (open === 0) return `No open connection is denied by ${file}.`;
  const denied = `${formatCount(open, 'open connection is', 'open connections are')} denied by ${file}`;
  if (!yes) return `${denied}. --yes closes ${open === 1 ? 'it' : 'them'}.`;
  return `${denied}; closed: ${open - left}.`;
}
