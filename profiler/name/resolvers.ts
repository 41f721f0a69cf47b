import { readFileSync, statSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { type Address, parseAddress } from '../../policy/value/address.ts';

/** Where this host's resolvers stand: those that programs ask, and those that a stub of systemd-resolved asks. */
const FILES = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'];

/** What is asked where no file names one; see resolv.conf(5). */
const DEFAULTS = ['127.0.0.1', '::1'];

/** Whose answers count. */
export interface Resolver {
  address: Address;
  /** It is on this host itself. */
  near: boolean;
}

/** Whose word about names counts on this host. The files and the addresses of this host are followed as they change. */
export class Resolvers {
  readonly #files: readonly string[];
  readonly #ownAddresses: () => readonly string[];
  #stamps: string | undefined;
  #wanted: readonly ('auto' | Address)[] = ['auto'];
  #addresses: readonly Address[] = [];
  #known = new Map<string, Resolver>();
  /** The addresses of this host as they were last, and their keys. */
  #own = { text: '', keys: new Set<string>() };

  /** `own`: the addresses of this host. */
  constructor(files: readonly string[] = FILES, own: () => readonly string[] = ownAddresses) {
    this.#files = files;
    this.#ownAddresses = own;
    this.refresh();
  }

  /**
   * Whether an answer from there counts: one from a resolver elsewhere never comes by the loopback device, where any
   * process may have sent it, and one of this host never from elsewhere.
   */
  believes(resolver: Address, near: boolean): boolean {
    return this.#known.get(keyOf(resolver))?.near === near;
  }

  get list(): Resolver[] {
    return [...this.#known.values()];
  }

  /** Which ones count from now on; `auto` are those of the files. */
  set wanted(wanted: readonly ('auto' | Address)[]) {
    this.#wanted = wanted;
    this.#stamps = undefined;
    this.refresh();
  }

  get wanted(): readonly ('auto' | Address)[] {
    return this.#wanted;
  }

  /** Reads the files, if one of them has changed. This host may have got a resolver's address after its files named it. */
  refresh(): void {
    const stamps = this.#files.map(stampOf).join();
    if (stamps !== this.#stamps) {
      this.#stamps = stamps;
      this.#addresses = this.#wanted.flatMap((each) => (each === 'auto' ? this.#configured() : [each]));
    }
    const own = this.#addresses.every(isLoopback) ? new Set() : this.#ownKeys();
    this.#known = new Map(
      this.#addresses.map((address) => {
        const key = keyOf(address);
        return [key, { address, near: isLoopback(address) || own.has(key) }];
      }),
    );
  }

  #ownKeys(): ReadonlySet<string> {
    const texts = this.#ownAddresses();
    const text = texts.join();
    if (text !== this.#own.text) this.#own = { text, keys: keysOf(texts) };
    return this.#own.keys;
  }

  #configured(): Address[] {
    const named = this.#files.flatMap((file) => namedIn(textIn(file)));
    return named.length > 0 ? named : DEFAULTS.flatMap((text) => parseAddress(text) ?? []);
  }
}

function keyOf({ family, value }: Address): string {
  return `${family}/${value}`;
}

/** Whether an address is of the host that it is used on. */
export function isLoopback({ family, value }: Address): boolean {
  return family === 4 ? value >> 24n === 127n : value === 1n;
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? []);
}

function keysOf(texts: readonly string[]): Set<string> {
  return new Set(
    texts.flatMap((text) => {
      const parsed = parseAddress(text.replace(/%.*/, ''));
      return parsed === undefined ? [] : [keyOf(parsed)];
    }),
  );
}

/** Changes with the file, also when another one takes its place. Empty where there is none. */
export function stampOf(file: string): string {
  try {
    // An exception for a file that is not there costs more than all the rest of a look.
    const stats = statSync(file, { throwIfNoEntry: false });
    return stats === undefined ? '' : `${stats.ino} ${stats.ctimeMs} ${stats.size}`;
  } catch {
    return '';
  }
}

function textIn(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/**
 * The resolvers that this host is set up with, and those that its systemd-resolved asks, each with the file that names
 * it. Empty where no file names one.
 */
export function configuredResolvers(files: readonly string[] = FILES): { address: Address; file: string }[] {
  return files.flatMap((file) => namedIn(textIn(file)).map((address) => ({ address, file })));
}

/** The addresses on lines such as `nameserver 192.0.2.53` of a resolv.conf. */
export function namedIn(text: string): Address[] {
  return text
    .split('\n')
    .flatMap((line) => parseAddress(/^\s*nameserver\s+([^\s%]+)/.exec(line)?.[1] ?? '') ?? []);
}
