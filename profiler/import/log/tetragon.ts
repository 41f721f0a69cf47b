import { basename } from 'node:path';
import { kubernetesName } from '../../identity/runtime/kubernetes.ts';
import { UNKNOWN_ID } from '../../event/credential.ts';
import { JsonObject } from './json-line.ts';
import { type Cells, type Finding, type LogReader, type LogRow } from './log-reader.ts';

/** Bytes of a command name in the kernel. */
const COMMAND = 15;

/**
 * Functions that a process calls to send something somewhere; in all others the peer may have begun. Events of LSM hooks
 * name these without `security_`.
 */
const SENDING = new Set([
  'tcp_connect',
  'tcp_v4_connect',
  'tcp_v6_connect',
  'security_socket_connect',
  'socket_connect',
  'ip4_datagram_connect',
  'ip6_datagram_connect',
  'udp_sendmsg',
  'udpv6_sendmsg',
]);

/** With these Tetragon has stopped it. */
const STOPPED = new Set(['KPROBE_ACTION_OVERRIDE', 'KPROBE_ACTION_SIGKILL', 'KPROBE_ACTION_NOTIFYENFORCER']);

const IDS = ['uid', 'euid', 'fsuid', 'gid', 'egid', 'fsgid'] as const;

/** Tetragon's export in JSON: its events of the functions by which processes connect. */
export class TetragonReader implements LogReader {
  read(text: string, line: number): LogRow[] {
    const event = JsonObject.parse(text);
    if (event === undefined) return [{ line, problem: 'the line is no JSON object' }];
    const call = event.object('process_kprobe') ?? event.object('process_lsm');
    if (call === undefined) {
      const other = event.keys().some((key) => key.startsWith('process_'));
      return [
        { line, ...(other ? { passed: 'events of other kinds' } : { problem: 'no event of a process' }) },
      ];
    }
    return [{ line, ...connectionOf(event, call) }];
  }

  end(): LogRow[] {
    return [];
  }
}

function connectionOf(event: JsonObject, call: JsonObject): Finding {
  const name = call.text('function_name') ?? call.text('function');
  const process = call.object('process');
  if (process === undefined) return { problem: 'process: it is missing' };
  if (name === undefined || !SENDING.has(name)) return { passed: 'calls of other functions' };
  const where = destinationOf(call, name);
  if (where === undefined) return { passed: 'calls without a destination or protocol' };
  return {
    cells: {
      ...processCells(process),
      ...where,
      ts: event.text('time'),
      host: event.text('node_name'),
      verdict: STOPPED.has(call.text('action') ?? '') ? 'deny' : 'allow',
    },
  };
}

/** The socket says the protocol; where the address is an argument of its own it counts, since it is newer. */
function destinationOf(call: JsonObject, name: string): Cells | undefined {
  const all = call.objects('args');
  const socket = all.flatMap((each) => each.object('sock_arg') ?? each.object('socket_arg') ?? [])[0];
  const named = all.flatMap((each) => each.object('sockaddr_arg') ?? [])[0];
  const protocol = /^(tcp|udp)/.exec(name)?.[1] ?? protocolOf(socket);
  const [addr, port] = named
    ? [named.text('addr'), named.text('port')]
    : [socket?.text('daddr'), socket?.text('dport')];
  if (protocol === undefined || addr === undefined || addr === '') return undefined;
  return { addr, port: port ?? '0', protocol };
}

function protocolOf(socket: JsonObject | undefined): string | undefined {
  return /^IPPROTO_(TCP|UDP|SCTP|ICMP|ICMPV6)$/.exec(socket?.text('protocol') ?? '')?.[1]?.toLowerCase();
}

function processCells(process: JsonObject): Cells {
  const exe = process.text('binary') ?? '';
  return {
    pid: process.text('pid'),
    exe,
    comm: Buffer.from(basename(exe)).subarray(0, COMMAND).toString(),
    ...idCells(process),
    ...containerCells(process),
  };
}

/** Credentials are exported where that is switched on, the user always. */
function idCells(process: JsonObject): Cells {
  const credentials = process.object('process_credentials');
  const ids = Object.fromEntries(IDS.map((name) => [name, credentials?.text(name)]));
  return {
    ...ids,
    uid: ids.uid ?? process.text('uid') ?? String(UNKNOWN_ID),
    gid: ids.gid ?? String(UNKNOWN_ID),
  };
}

function containerCells(process: JsonObject): Cells {
  const pod = process.object('pod');
  const container = pod?.object('container');
  if (container === undefined) return process.text('docker') ? { in_container: 'true' } : {};
  const named = kubernetesName(pod?.text('name'), pod?.text('namespace'), container.text('name'));
  const labels = pod?.object('pod_labels');
  const digest = /@(sha256:[0-9a-f]{64})$/.exec(container.inner('image')?.text('id') ?? '')?.[1];
  return {
    in_container: 'true',
    container: named?.name,
    pod: named?.pod,
    namespace: named?.namespace,
    image: container.object('image')?.text('name'),
    image_digest: digest,
    labels:
      labels && JSON.stringify(Object.fromEntries(labels.keys().map((key) => [key, labels.text(key) ?? '']))),
  };
}
