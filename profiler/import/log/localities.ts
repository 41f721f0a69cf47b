import { type Address, formatAddress, parseAddress } from '../../../policy/value/address.ts';
import { containsAddress, type Prefix } from '../../../policy/value/cidr.ts';

/** Distinct addresses remembered. */
const REMEMBERED = 65_536;

interface Place {
  /** The address in the one way of writing it. */
  text: string;
  local: boolean;
}

/** Which addresses are those of the hosts to learn from. */
export class Localities {
  readonly #local: readonly Prefix[];
  readonly #known = new Map<string, Place | undefined>();

  constructor(local: readonly Prefix[]) {
    this.#local = local;
  }

  /** Whether the user has said which addresses are local. */
  get known(): boolean {
    return this.#local.length > 0;
  }

  /** Of an address as any tool writes it; undefined when it is none. */
  of(text: string): Place | undefined {
    if (this.#known.has(text)) return this.#known.get(text);
    const address = parseAddress(text);
    const place = address && { text: formatAddress(address), local: this.#has(address) };
    if (this.#known.size >= REMEMBERED) this.#known.clear();
    this.#known.set(text, place);
    return place;
  }

  #has(address: Address): boolean {
    return this.#local.some((prefix) => containsAddress(prefix, address));
  }
}
