/**
 * Sockets and options with which a process chooses what leaves the host without naming a destination that
 * could be judged. In block mode a process opens one only where a rule allows it.
 */
export const SOCKET_KINDS = ['raw', 'packet', 'other', 'source-route'] as const;
export type SocketKind = (typeof SOCKET_KINDS)[number];

/** What a rule for them does not say: where they lead. */
export const SOCKET_COSTS: Readonly<Record<SocketKind, string>> = {
  raw: 'SOCK_RAW of IPv4 and IPv6, and IP_HDRINCL. Can send anywhere: only the addresses given to send calls are judged, not those in the headers that the process writes.',
  packet: 'AF_PACKET and AF_XDP, whole frames. Can send anywhere, unseen by every rule that names addresses.',
  other:
    'Other families and protocols: SCTP, DCCP, UDP-Lite, L2TP, SMC, RDS, VSOCK and the like. Of most, where they send is not judged.',
  'source-route':
    'IPv4 options and IPv6 routing headers. The first hop is not the address that a rule judges, so packets can pass by any host.',
};
