import { onCgroup } from '../attachment.ts';

/** What is known of single vectors. Whatever is not said here must hold for a vector as for all others. */

/** The addresses that a policy denies; see egress.h. */
export const DENIED: readonly string[] = ['10.99.0.3', 'fd99::3', '239.99.0.3', '10.99.0.255', 'ff15::99:3'];

/** What a vector must be allowed to open before it names a destination, or instead of it. */
export type Opening = 'raw' | 'packet' | 'other' | 'source-route';

/** By the beginning of the name. The longest that fits counts. */
const OPENINGS: Readonly<Record<string, Opening>> = {
  raw: 'raw',
  uring_socket_raw: 'raw',
  packet: 'packet',
  xdp: 'packet',
  loose: 'source-route',
  strict: 'source-route',
  header2: 'source-route',
  segments: 'source-route',
  sctp: 'other',
  dccp: 'other',
  udplite: 'other',
  l2tp: 'other',
  smc: 'other',
  rds: 'other',
  row_raw: 'raw',
  row_udplite: 'other',
  vsock: 'other',
};

export function openingOf(name: string): Opening | undefined {
  const beginnings = Object.keys(OPENINGS).filter((beginning) => name.startsWith(beginning));
  const longest = beginnings.sort((a, b) => b.length - a.length)[0];
  return longest === undefined ? undefined : OPENINGS[longest];
}

/** Whether a thread of the kernel sends what the vector asked for, by a protocol of its own choice. */
export function sendsByKernel(name: string): boolean {
  return name.startsWith('rds');
}

/**
 * Whether the vector chooses the destination in a way that no hook sees, so that a policy which allows the
 * opening can't judge more than that.
 */
export function choosesUnseen(name: string): boolean {
  const opening = openingOf(name);
  return (
    opening === 'packet' ||
    opening === 'source-route' ||
    /^raw4_header|^raw6_header/.test(name) ||
    goesUnseen(name)
  );
}

/** Whether nothing but the packet shows its source route, which the policy must allow to leave. */
export function hidesRoute(name: string): boolean {
  return name.startsWith('row') && name !== 'row_ok';
}

interface Exception {
  reason: string;
  /** The first kernel that it does not hold for. */
  until?: readonly [major: number, minor: number];
}

const TRANSLATED = {
  reason: 'the destination is changed after the hooks, by the administrator of the network',
};
const OUTER = { reason: 'the outer packet is the tunnel device’s own; a policy means the inner one' };
const ANNOUNCED = {
  reason: 'the peer announces another address of its own, and the kernel uses it by itself',
};
const ACCEPTED = { reason: 'a policy judges what this host opens, not what it answers' };
const NUMBERED = {
  reason:
    'of several SCTP associations of a socket, one that is meant by its number is not told from the last',
};
const PAGES = {
  reason: 'sendfile() and splice() do not ask the hook',
  until: [6, 5],
} as const;

/*
 * An option's value is shown to no security hook. A cgroup/setsockopt program would see it, but is not asked for calls of
 * 32-bit programs; packets of IGMP have no socket, by which programs of cgroups are found.
 */
const MEMBERSHIP = {
  reason: 'the kernel tells the routers of the link, by a packet of its own, which group a socket has joined',
};

const POLLED = {
  reason: 'poll() on a ring that was opened before the policy sends what is in it, and asks no hook',
};

/** Where a packet to a denied address leaves all the same. */
const LEAKS: Readonly<Record<string, Exception>> = {
  accepted_reply: ACCEPTED,
  accepted_prepared_reply: ACCEPTED,
  translated_udp: TRANSLATED,
  translated_tcp: TRANSLATED,
  tunnel_geneve: OUTER,
  tunnel_vxlan: OUTER,
  mptcp_announced: ANNOUNCED,
  igmp_membership: MEMBERSHIP,
  igmp_join: MEMBERSHIP,
  igmp_filter: MEMBERSHIP,
  mld_join: MEMBERSHIP,
  mld_filter: MEMBERSHIP,
  udp_prepared_sendfile: PAGES,
  udp_prepared_splice: PAGES,
  udp_prepared_vmsplice: PAGES,
  uring_splice: PAGES,
  sctp_prepared_number: NUMBERED,
  xdp_prepared_poll: POLLED,
  tcp_prepared_sendfile: PAGES,
  tcp_prepared_splice: PAGES,
  tcp_prepared_vmsplice: PAGES,
};

const HIDDEN = { reason: 'the kernel does not ask again for a later message of a row to the same address' };

/** Where the record does not say what left. */
const UNRECORDED: Readonly<Record<string, Exception>> = {
  ...LEAKS,
  // Heartbeats to the peer's other address.
  sctp_prepared_send: ANNOUNCED,
  tcp_prepared_sendfile_ok: PAGES,
  tcp_prepared_splice_ok: PAGES,
};

const REFUSED = { reason: 'the kernel would have refused it for another reason', until: [6, 2] } as const;

/** Where a policy stops what would not have gone to the denied address. */
const STOPPED: Readonly<Record<string, Exception>> = {
  udp_more: { reason: 'the address of a later part does not count, but a hook can’t tell which part it is' },
  udp6_connected_unspec: {
    reason: 'IPV6_ADDRFORM can make an address of what is none, after the hook has looked',
  },
  mptcp_fastopen: REFUSED,
  again_mptcp: REFUSED,
  again_mptcp_refused: REFUSED,
  again_mptcp_disconnected: REFUSED,
  udp_connect_only: { reason: 'a connect() that nothing follows is denied like one that something follows' },
};

/** The hooks of cgroups are not asked where SCTP and DCCP go, but whether a socket of theirs may be made. */
function goesUnseen(name: string): boolean {
  return onCgroup() && /^(sctp|dccp)/.test(name);
}

/**
 * What the hooks of cgroups are not asked for: sockets of other families than IP, and sends on a connection that was
 * there before the policy.
 */
function passesCgroup(name: string): boolean {
  const passed = /^rds|^(tcp6?|mptcp|sctp|dccp)_prepared_|^again_(mptcp_)?renamed/;
  return onCgroup() && (openingOf(name) === 'packet' || passed.test(name));
}

export function mayLeak(name: string, kernel: readonly [number, number]): boolean {
  return holds(LEAKS[name], kernel) || passesCgroup(name);
}

export function mayGoUnrecorded(name: string, kernel: readonly [number, number]): boolean {
  if (passesCgroup(name) || (onCgroup() && name.startsWith('smc'))) return true;
  return holds(hidesRoute(name) ? HIDDEN : UNRECORDED[name], kernel);
}

export function mayBeStopped(name: string, kernel: readonly [number, number]): boolean {
  return holds(STOPPED[name], kernel);
}

function holds(exception: Exception | undefined, kernel: readonly [number, number]): boolean {
  if (!exception?.until) return exception !== undefined;
  const { until } = exception;
  return kernel[0] < until[0] || (kernel[0] === until[0] && kernel[1] < until[1]);
}

/** Whether a packet leaves even with the last look that the backstop takes: it is the kernel's own. */
export function passesBackstop(name: string): boolean {
  return LEAKS[name] === OUTER || LEAKS[name] === MEMBERSHIP;
}

/**
 * Whether a packet leaves even though a policy with the backstop allows its address to no subject: what is sent on an
 * open connection looks like an answer.
 */
export function passesDefault(name: string, kernel: readonly [number, number]): boolean {
  const onConnection = /^(tcp|sctp)/.test(name) && holds(LEAKS[name], kernel);
  return passesBackstop(name) || LEAKS[name] === ACCEPTED || onConnection || passesCgroup(name);
}
