/** The protocols that have a name in a policy, with their IANA numbers. */
export const PROTOCOL_NUMBERS: Readonly<Record<string, number>> = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  icmpv6: 58,
  sctp: 132,
};

const NAMES = new Map(Object.entries(PROTOCOL_NUMBERS).map(([name, number]) => [number, name]));

/** TCP, UDP, DCCP, SCTP and UDP-Lite: the protocols whose port a policy can name. */
export const PORT_PROTOCOLS: readonly number[] = [6, 17, 33, 132, 136];

/** The names a policy may use for protocols. */
export const PROTOCOL_NAMES: readonly string[] = Object.keys(PROTOCOL_NUMBERS);

/** The IANA number of a name or of a number as text, 0 to 255; undefined when it is neither. */
export function parseProtocol(text: string): number | undefined {
  if (Object.hasOwn(PROTOCOL_NUMBERS, text)) return PROTOCOL_NUMBERS[text];
  return /^(0|[1-9]\d{0,2})$/.test(text) && Number(text) <= 255 ? Number(text) : undefined;
}

/** The name of a protocol, or its number as text where it has none. */
export function formatProtocol(protocol: number): string {
  return NAMES.get(protocol) ?? String(protocol);
}

/** Whether connections of this protocol have a port. A box that names ports matches no other protocol. */
export function hasPorts(protocol: number): boolean {
  return PORT_PROTOCOLS.includes(protocol);
}
