import { decode, type Answer as ResourceRecord } from 'dns-packet';
import { type Address, parseAddress } from '../../policy/value/address.ts';

/** What an answer to a query for addresses says. */
export interface NameAnswer {
  /** What was asked for: lower case, without the last dot. */
  question: string;
  /** The names that stand for it, in their order (CNAME). */
  chain: string[];
  /** Seconds for which the chain holds; absent where there is none. */
  chainTtl?: number;
  addresses: NamedAddress[];
}

export interface NamedAddress extends Address {
  /** Seconds, up to MOST_TTL. */
  ttl: number;
}

/** No resolver keeps an answer for longer (RFC 8767, section 4 advises seven days at most; one is usual). */
export const MOST_TTL = 86_400;

/** Records that are looked at. */
const MOST_RECORDS = 64;

const HEADER = 12;
/** Where it says how many records stand behind the answer section. */
const AUTHORITIES = 8;

/**
 * Reads a DNS message (RFC 1035, section 4) as far as it says which addresses a name has. Only the answer section
 * counts; what stands beside it was not asked for. Undefined for a message that can't be read, and for one about
 * anything but the address of a host.
 */
export function readMessage(message: Buffer): NameAnswer | undefined {
  const question = questionOf(message);
  if (question === undefined) return undefined;
  let records: ResourceRecord[];
  try {
    records = decode(withoutRest(message)).answers ?? [];
  } catch {
    // Cut, or made to be read by nobody.
    return undefined;
  }
  const chain: string[] = [];
  let chainTtl = MOST_TTL;
  const addresses: NamedAddress[] = [];
  for (const record of records.slice(0, MOST_RECORDS)) {
    if (!isOfInternet(record)) continue;
    if (record.type === 'CNAME' && isHostName(record.data)) {
      chain.push(record.data.toLowerCase());
      chainTtl = Math.min(chainTtl, ttlOf(record.ttl));
    }
    if (record.type !== 'A' && record.type !== 'AAAA') continue;
    const address = parseAddress(record.data);
    if (address) addresses.push({ ...address, ttl: ttlOf(record.ttl) });
  }
  return { question, chain, ...(chain.length > 0 && { chainTtl }), addresses };
}

/** Up to its answer section: nothing that stands behind it, whatever it is, makes the answers unreadable. */
function withoutRest(message: Buffer): Buffer {
  return message.length < HEADER ? message : Buffer.from(message).fill(0, AUTHORITIES, HEADER);
}

/** Not of another class than IN, which the kernel side does not read either. */
function isOfInternet(record: ResourceRecord): boolean {
  return record.type !== 'OPT' && record.class === 'IN' && record.flush !== true;
}

/** As RFC 2181, section 8 has it: with the highest bit set it is none. */
function ttlOf(ttl = 0): number {
  return ttl >= 2 ** 31 ? 0 : Math.min(ttl, MOST_TTL);
}

/**
 * The name that was asked for, read byte by byte: in text a dot within a label looks like one between two, so a
 * label could be made to look like another name.
 */
function questionOf(message: Buffer): string | undefined {
  const labels: string[] = [];
  let at = HEADER;
  for (let length = message[at]!; length > 0; length = message[at]!) {
    const label = message.toString('latin1', at + 1, at + 1 + length);
    if (length > 63 || !isLabel(label)) return undefined;
    labels.push(label.toLowerCase());
    at += 1 + length;
    if (at >= message.length || at - HEADER > 254) return undefined;
  }
  return labels.length === 0 ? undefined : labels.join('.');
}

/** Letters, digits, hyphens and, as in `_service`, underscores. */
function isLabel(text: string): boolean {
  return /^[a-z0-9_-]+$/i.test(text);
}

function isHostName(name: string): boolean {
  return name.length <= 253 && name.split('.').every(isLabel);
}
