/** An IP address in canonical form: an IPv4-mapped IPv6 address is the IPv4 address. */
export interface Address {
  family: 4 | 6;
  /** The address as an unsigned number of 32 (IPv4) or 128 (IPv6) bits. */
  value: bigint;
}
