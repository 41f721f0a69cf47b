import { lookup } from 'node:dns/promises';
import { BouhekiError } from '../../error/error.ts';
import { parseAddress } from '../../policy/value/address.ts';
import type { AgentIdentity } from '../self/identity-file.ts';
import { type ClientTls, HubClient } from '../wire/client.ts';
import type { HubPlace } from './policy/cut-off.ts';

/** Milliseconds for a hub to answer on a fresh connection. */
const PATIENCE = 5000;
/** For how long calls to a hub that has failed may end by themselves, milliseconds. */
const LINGER = 20_000;

/** The hubs of an agent: one of them is spoken to until it fails, then the next one. */
export class HubLink {
  #identity: AgentIdentity;
  #at: number;
  #client: HubClient | undefined;

  /** `first`: with which hub to begin, so that hosts do not all begin with the same one. */
  constructor(identity: AgentIdentity, first: number) {
    this.#identity = identity;
    this.#at = first % Math.max(1, identity.hub.length);
  }

  /** The hub that is spoken to. Throws BouhekiError `fleet` where no address is known. */
  get hub(): HubClient {
    this.#client ??= new HubClient(this.#address(this.#at), tlsOf(this.#identity));
    return this.#client;
  }

  /** Its address; empty where none is known. */
  get address(): string {
    return this.#identity.hub[this.#at] ?? '';
  }

  /** That one has failed: another one is next. */
  fail(failed: HubClient): void {
    if (failed !== this.#client) return;
    // Not at once: a call that waits for its connection would never hear of it.
    setTimeout(() => failed.close(), LINGER).unref();
    this.#client = undefined;
    this.#at = (this.#at + 1) % Math.max(1, this.#identity.hub.length);
  }

  /** New connections are made with another certificate, and other authorities. */
  renew(identity: AgentIdentity): void {
    this.#identity = identity;
    // A stream that is open goes on, and ends when its hub ends the connection.
    this.#client = undefined;
  }

  /** Reaches any of the hubs by a connection that is made for that. Throws BouhekiError where none answers. */
  async reach(): Promise<void> {
    const { length } = this.#identity.hub;
    for (let tried = 0; ; tried += 1) {
      const hub = new HubClient(
        this.#address((this.#at + tried) % Math.max(1, length)),
        tlsOf(this.#identity),
      );
      try {
        const nothing = { subjects: [], rows: [], windows: [], clock: Date.now() };
        await hub.call('Fleet/Report', nothing, { within: PATIENCE });
        return;
      } catch (error) {
        if (tried + 1 >= length) throw error;
      } finally {
        hub.close();
      }
    }
  }

  /** Where the hubs are now. */
  async places(): Promise<HubPlace[]> {
    return await Promise.all(this.#identity.hub.map(placeOf));
  }

  close(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  #address(at: number): string {
    const address = this.#identity.hub[at];
    if (address !== undefined) return address;
    throw new BouhekiError('fleet', 'no address of a hub is known', {
      remedy: 'join again, with a new token of the hub',
    });
  }
}

/** With what a host proves itself to a hub. */
function tlsOf({ certificate, key, trust }: AgentIdentity): ClientTls {
  return { trust, certificate, key };
}

async function placeOf(text: string): Promise<HubPlace> {
  const at = text.lastIndexOf(':');
  const host = text.slice(0, at).replace(/^\[(.*)\]$/, '$1');
  const port = Number(text.slice(at + 1));
  const literal = parseAddress(host);
  if (literal !== undefined) return { text, name: undefined, addresses: [literal], port };
  const found = await lookup(host, { all: true }).catch(() => []);
  const addresses = found.flatMap(({ address }) => parseAddress(address) ?? []);
  return { text, name: host.toLowerCase().replace(/\.$/, ''), addresses, port };
}
