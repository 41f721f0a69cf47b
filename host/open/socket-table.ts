import { readFileSync } from 'node:fs';

/** One end of a connection. A mapped address of a socket for IPv6 stays as it is. */
export interface SocketEnd {
  family: 4 | 6;
  value: bigint;
  /** Of a raw socket the number of its protocol. */
  port: number;
}

/** A socket as /proc/net has it. */
export interface OpenSocket {
  local: SocketEnd;
  /** All zeros where there is no peer. */
  remote: SocketEnd;
  /** A number of the kernel's states of TCP, which UDP uses too. */
  state: number;
  /** Who opened it. */
  uid: number;
  inode: string;
}

/** A socket for frames as /proc/net/packet has it. */
export interface PacketSocket {
  /** The index of its interface; 0 for all. */
  device: number;
  uid: number;
  inode: string;
}

/** What is open in one network namespace. */
export interface SocketTable {
  tcp: OpenSocket[];
  udp: OpenSocket[];
  raw: OpenSocket[];
  packet: PacketSocket[];
}

/** The kernel's states that matter here (include/net/tcp_states.h). */
export const SocketState = { established: 1, synSent: 2, listen: 10 } as const;

/** Sockets of the network namespace of a process. A table that can't be read is empty. */
export function readSocketTable(pid: number | 'self'): SocketTable {
  const both = (name: string): OpenSocket[] => [
    ...parseSockets(textOf(`/proc/${pid}/net/${name}`)),
    ...parseSockets(textOf(`/proc/${pid}/net/${name}6`)),
  ];
  return {
    tcp: both('tcp'),
    udp: both('udp'),
    raw: both('raw'),
    packet: parsePacketSockets(textOf(`/proc/${pid}/net/packet`)),
  };
}

/**
 * The lines of /proc/net/tcp, udp, raw and the same with a 6. What is no such line, as the head and one that was cut
 * off, is left out, and so are connections that no process has open any more (inode 0).
 */
export function parseSockets(text: string): OpenSocket[] {
  return text.split('\n').flatMap((line) => {
    const [, local, remote, state, , , , uid, , inode] = line.trim().split(/\s+/);
    const ends = [local, remote].map((end) => parseEnd(end ?? ''));
    if (!ends[0] || !ends[1] || !isHex(state, 2) || !isNumber(uid) || !isNumber(inode) || inode === '0') {
      return [];
    }
    return [
      {
        local: ends[0],
        remote: ends[1],
        state: Number.parseInt(state!, 16),
        uid: Number(uid),
        inode: inode!,
      },
    ];
  });
}

/** The lines of /proc/net/packet. */
export function parsePacketSockets(text: string): PacketSocket[] {
  return text.split('\n').flatMap((line) => {
    const [, , , , device, , , uid, inode] = line.trim().split(/\s+/);
    if (!isNumber(device) || !isNumber(uid) || !isNumber(inode) || inode === '0') return [];
    return [{ device: Number(device), uid: Number(uid), inode: inode! }];
  });
}

/** `0100007F:1F90` is port 8080 of 127.0.0.1: words of 32 bits, as a little-endian processor reads them. */
function parseEnd(text: string): SocketEnd | undefined {
  const match = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(text);
  if (!match) return undefined;
  const bytes = Buffer.from(match[1]!, 'hex').swap32().toString('hex');
  return {
    family: match[1]!.length === 8 ? 4 : 6,
    value: BigInt(`0x${bytes}`),
    port: Number.parseInt(match[2]!, 16),
  };
}

function isHex(text: string | undefined, length: number): boolean {
  return text?.length === length && /^[0-9A-F]+$/.test(text);
}

function isNumber(text: string | undefined): boolean {
  return text !== undefined && /^\d{1,15}$/.test(text);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
