import { formatProtocol, parseProtocol } from './protocol.ts';
import type { SocketKind } from './socket-kind.ts';

/** Families of sockets that name no IP destination, by the names that programs open them with. */
export const SOCKET_FAMILIES: Readonly<Record<string, number>> = {
  AF_AX25: 3,
  AF_IPX: 4,
  AF_APPLETALK: 5,
  AF_NETROM: 6,
  AF_X25: 9,
  AF_ROSE: 11,
  AF_KEY: 15,
  AF_RDS: 21,
  AF_PPPOX: 24,
  AF_LLC: 26,
  AF_IB: 27,
  AF_MPLS: 28,
  AF_CAN: 29,
  AF_TIPC: 30,
  AF_BLUETOOTH: 31,
  AF_IUCV: 32,
  AF_PHONET: 35,
  AF_IEEE802154: 36,
  AF_CAIF: 37,
  AF_NFC: 39,
  AF_VSOCK: 40,
  AF_KCM: 41,
  AF_QIPCRTR: 42,
  AF_SMC: 43,
  AF_MCTP: 45,
};

const NAMES = new Map(Object.entries(SOCKET_FAMILIES).map(([name, family]) => [family, name]));

/**
 * The largest number that means a family, of a socket of the kind `other`; beyond are IP protocols. Of the smaller ones
 * DCCP alone, 33, is opened in that way, and has the number of the family of RxRPC.
 */
export const LAST_FAMILY = 46;

/** The EtherType of a packet socket, the family of another one, else the IP protocol that was asked for. */
export function formatOpening(kind: SocketKind, protocol: number): string {
  switch (kind) {
    case 'packet':
      return `0x${protocol.toString(16).padStart(4, '0')}`;
    case 'other':
      return protocol > LAST_FAMILY ? formatProtocol(protocol) : (NAMES.get(protocol) ?? String(protocol));
    case 'raw':
    case 'source-route':
      return formatProtocol(protocol);
    default:
      return kind satisfies never;
  }
}

/**
 * The number of a text that `formatOpening` has written, of a plain number, or of a protocol's name, which numbers of
 * all kinds had in exports of before; undefined when it is none.
 */
export function parseOpening(kind: SocketKind, text: string): number | undefined {
  if (kind === 'packet' && /^0x[\da-f]{1,4}$/i.test(text)) return Number.parseInt(text, 16);
  if (kind === 'other' && Object.hasOwn(SOCKET_FAMILIES, text)) return SOCKET_FAMILIES[text];
  if (/^\d{1,5}$/.test(text) && Number(text) <= 0xffff) return Number(text);
  return parseProtocol(text);
}
