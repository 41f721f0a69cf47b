import { UNKNOWN_ID } from '../../event/credential.ts';
import { readCgroupPath } from '../../identity/cgroup.ts';
import {
  type Cells,
  type Finding,
  type LogContext,
  type LogReader,
  type LogRow,
  isPort,
  NO_PROCESS,
  sideByPorts,
} from './log-reader.ts';

const PROTOCOLS = new Map([
  ['tcp', 'tcp'],
  ['mptcp', 'tcp'],
  ['udp', 'udp'],
  ['sctp', 'sctp'],
]);

/** Sockets of a snapshot that wait for its end, to know what else listens. */
const MOST = 1_000_000;

const HEAD = /^(?:Netid\s+)?State\s+Recv-Q/;

interface Open {
  line: number;
  protocol: string;
  state: string;
  local: End;
  peer: End;
  rest: string;
}

interface End {
  address: string;
  port: string;
}

/**
 * A snapshot, or several one behind the other, of `ss -tunap`. What has the port of a listening socket was accepted;
 * without such sockets in the snapshot the ports decide.
 */
export class SsReader implements LogReader {
  readonly #context: LogContext;
  #listening = new Set<string>();
  #open: Open[] = [];

  constructor(context: LogContext) {
    this.#context = context;
  }

  read(text: string, line: number): LogRow[] {
    if (HEAD.test(text)) {
      const before = this.end();
      if (text.startsWith('Netid')) return before;
      const undecided = 'no column Netid says which sockets are TCP and which UDP';
      return [...before, { line, undecided, remedy: 'Take the snapshot with `ss -tunap`.' }];
    }
    // What -i and -m add to a socket.
    if (/^\s/.test(text)) return [];
    const [kind, state, , , local, peer] = text.split(/\s+/, 6);
    if (local === undefined || peer === undefined) return [{ line, problem: 'fewer than six columns' }];
    const protocol = PROTOCOLS.get(kind!);
    if (protocol === undefined) return [{ line, passed: 'sockets of other kinds' }];
    const ends = [endOf(local), endOf(peer)];
    if (ends[0] === undefined || ends[1] === undefined) return [{ line, problem: 'no address with a port' }];
    if (state === 'LISTEN' || state === 'UNCONN') {
      this.#listening.add(`${protocol} ${ends[0].port}`);
      return [{ line, passed: 'sockets that listen' }];
    }
    const odd = [ends[0].port, ends[1].port].find((port) => !isPort(port));
    if (odd !== undefined) return [{ line, problem: `${odd}: it is no port by its number, which -n gives` }];
    if (this.#open.length >= MOST) return [{ line, problem: `more than ${MOST} sockets in a snapshot` }];
    const rest = text.replace(/^(?:\S+\s+){5}\S+/, '');
    this.#open.push({ line, protocol, state: state!, local: ends[0], peer: ends[1], rest });
    return [];
  }

  end(): LogRow[] {
    const rows = this.#open.map((open): LogRow => ({ line: open.line, ...this.#row(open) }));
    this.#open = [];
    this.#listening = new Set();
    return rows;
  }

  #row(open: Open): Finding {
    const side = this.#sideOf(open);
    if (side === 'answered') return { passed: 'connections that came in' };
    if (side === undefined) return { passed: 'connections of which the ports do not tell the direction' };
    const { at, host } = this.#context;
    if (at === undefined)
      return { undecided: 'a snapshot does not say when it was taken', remedy: 'Say it with --at.' };
    const { peer, protocol, rest } = open;
    return { cells: { ...ownerOf(rest), ts: at, host, addr: peer.address, port: peer.port, protocol } };
  }

  #sideOf({ local, peer, protocol, state }: Open): ReturnType<typeof sideByPorts> {
    if (state === 'SYN-SENT') return 'asked';
    if (state === 'SYN-RECV' || this.#listening.has(`${protocol} ${local.port}`)) return 'answered';
    if (this.#listening.size > 0) return 'asked';
    return sideByPorts(Number(local.port), Number(peer.port));
  }
}

/** `[::1]:53`, `10.0.0.1%eth0:68`, `*:*`; an address that was resolved is a problem of its row. */
function endOf(text: string): End | undefined {
  const [, bracketed, bare, port] = /^(?:\[([^\]]*)\][^:]*|(.*)):([^:]+)$/.exec(text) ?? [];
  if (port === undefined) return undefined;
  return { address: (bracketed ?? bare)!.replace(/%.*$/, ''), port };
}

/** The process of the lowest id, where several hold the socket: they have it from that one. */
function ownerOf(rest: string): Cells {
  const holders = [...rest.matchAll(/\("(.*?)",pid=(\d+),fd=\d+\)/g)].map(([, comm, pid]) => ({
    comm: comm!,
    pid: pid!,
  }));
  const [first] = holders.sort((a, b) => Number(a.pid) - Number(b.pid));
  const cgroup = /\scgroup:(\/\S*)/.exec(rest)?.[1];
  // With -e, ss says the user but where that is root.
  const uid = /\suid:(\d+)/.exec(rest)?.[1] ?? (/\sino:\d+/.test(rest) ? '0' : String(UNKNOWN_ID));
  const meaning = cgroup === undefined ? {} : readCgroupPath(cgroup);
  return {
    ...NO_PROCESS,
    ...first,
    uid,
    cgroup,
    unit: meaning.unit,
    in_container: meaning.container === undefined ? undefined : 'true',
  };
}
