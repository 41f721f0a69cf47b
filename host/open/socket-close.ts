import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, openSync } from 'node:fs';
import type { Network } from './network.ts';
import type { OpenSocket, SocketEnd } from './socket-table.ts';

/** A connected socket of TCP or UDP. */
export interface Connection {
  protocol: 'tcp' | 'udp';
  socket: Pick<OpenSocket, 'local' | 'remote'>;
}

/** Connections of one call: each takes about a hundred bytes of the command line. */
const AT_ONCE = 256;

/** How long a call may take, milliseconds. */
const PATIENCE = 10_000;

/**
 * Has the kernel close connections of a network namespace, whoever has them open (SOCK_DESTROY of sock_diag(7), asked
 * for by `ss -K` of iproute2). Their next read or write fails with ECONNABORTED; a socket of UDP loses its peer.
 * It says nothing of what was not closed: look again. Returns why it could not be asked for, undefined where it was.
 */
export function closeConnections(network: Network, connections: readonly Connection[]): string | undefined {
  let fd: number;
  try {
    fd = openSync(`/proc/${network.pid}/ns/net`, 'r');
  } catch {
    // The last process there has ended, and so have its connections.
    return undefined;
  }
  try {
    // The pid may be another process's by now.
    if (fstatSync(fd).ino !== network.namespace) return undefined;
    for (const protocol of ['tcp', 'udp'] as const) {
      const filters = connections.filter((each) => each.protocol === protocol).map(filterOf);
      for (let at = 0; at < filters.length; at += AT_ONCE) {
        const failure = kill(fd, protocol, filters.slice(at, at + AT_ONCE).join(' or '));
        if (failure !== undefined) return failure;
      }
    }
    return undefined;
  } finally {
    closeSync(fd);
  }
}

function kill(network: number, protocol: 'tcp' | 'udp', filter: string): string | undefined {
  const words = [
    `-n/proc/${process.pid}/fd/${network}`,
    'ss',
    '-K',
    '-H',
    '-n',
    protocol === 'tcp' ? '-t' : '-u',
    filter,
  ];
  const { error, status, stderr } = spawnSync('nsenter', words, { encoding: 'utf8', timeout: PATIENCE });
  if (error) return `nsenter: ${error.message}`;
  return status === 0 ? undefined : stderr.trim() || `ss ended with ${status}`;
}

function filterOf({ socket: { local, remote } }: Connection): string {
  return `( src ${endText(local)} and dst ${endText(remote)} )`;
}

/** As `ss` reads it: `192.0.2.1:80`, `[2001:db8:0:0:0:0:0:1]:80`. */
export function endText({ family, port, value }: SocketEnd): string {
  const [count, bits, radix] = family === 4 ? [4, 8n, 10] : [8, 16n, 16];
  const parts = Array.from({ length: count }, (_, at) => {
    const shift = BigInt(count - 1 - at) * bits;
    return ((value >> shift) & ((1n << bits) - 1n)).toString(radix);
  });
  return family === 4 ? `${parts.join('.')}:${port}` : `[${parts.join(':')}]:${port}`;
}
