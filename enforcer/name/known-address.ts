import { KnownAddress, KnownKey, NAME_SLOTS, PatternKey } from '../../bpf/wire.ts';
import type { Address } from '../../policy/value/address.ts';
import { ANY_NAME } from '../../policy/value/host-name.ts';

/** An address, where it is known by names, and for which side of the policy. */
export interface KnownPlace {
  side: number;
  /** Of the network; 0 is the host's. */
  namespace: number;
  address: Address;
}

/** What a name opens at an address, and the end of its TTL in seconds since boot. */
export interface NameSlot {
  class: number;
  end: number;
}

const MAPPED = 0xffff_0000_0000n;

/** The key of struct known_key. */
export function knownKey({ address: { family, value }, namespace, side }: KnownPlace): Buffer {
  const key = Buffer.alloc(KnownKey.size);
  key.writeUInt32LE(side, KnownKey.offset.side);
  key.writeUInt32LE(namespace, KnownKey.offset.network_namespace);
  const whole = family === 4 ? MAPPED | value : value;
  key.writeBigUInt64LE(whole >> 64n, KnownKey.offset.high);
  key.writeBigUInt64LE(BigInt.asUintN(64, whole), KnownKey.offset.low);
  return key;
}

/** The value of struct known_address. */
export function knownValue(slots: readonly NameSlot[], share: number): Buffer {
  const value = Buffer.alloc(KnownAddress.size);
  for (const [index, slot] of slots.slice(0, NAME_SLOTS).entries()) {
    value.writeUInt32LE(slot.end, KnownAddress.offset.slot + 8 * index);
    value.writeUInt32LE(slot.class, KnownAddress.offset.slot + 8 * index + 4);
  }
  value.writeUInt32LE(share, KnownAddress.offset.class);
  return value;
}

/** The slots in use of a struct known_address that begins at `at`. */
export function slotsOf(bytes: Buffer, at = 0): NameSlot[] {
  const slots: NameSlot[] = [];
  for (let place = 0; place < NAME_SLOTS; place += 1) {
    const end = bytes.readUInt32LE(at + KnownAddress.offset.slot + 8 * place);
    const found = bytes.readUInt32LE(at + KnownAddress.offset.slot + 8 * place + 4);
    if (found !== 0) slots.push({ class: found, end });
  }
  return slots;
}

/** The key of struct pattern_key: a name backwards, so that all below it have a common beginning. */
export function patternKey(pattern: string, side: number): Buffer {
  const key = Buffer.alloc(PatternKey.size);
  const text = pattern === ANY_NAME ? '' : pattern.startsWith('*') ? pattern.slice(1) : `\0${pattern}`;
  key.writeUInt32LE(8 * (1 + text.length), PatternKey.offset.bits);
  key.writeUInt8(side, PatternKey.offset.text);
  key.write([...text].reverse().join(''), PatternKey.offset.text + 1, 'latin1');
  return key;
}
