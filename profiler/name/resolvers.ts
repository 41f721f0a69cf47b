import { readFileSync, statSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { type Address, parseAddress } from '../../policy/value/address.ts';

/** Where this host's resolvers stand: those that programs ask, and those that a stub of systemd-resolved asks. */
const FILES = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'];

/** What is asked where no file names one; see resolv.conf(5). */
const DEFAULTS = ['127.0.0.1', '::1'];

/** Whose word about names counts on this host. The files are followed as they change. */
export class Resolvers {
  readonly #files: readonly string[];
  #stamps: string | undefined;
  /** Whether each is on this host itself. */
  #known = new Map<string, boolean>();

  constructor(files: readonly string[] = FILES) {
    this.#files = files;
    this.refresh();
  }

  /**
   * Whether an answer from there counts: one from a resolver elsewhere never comes by the loopback device, where any
   * process may have sent it, and one of this host never from elsewhere.
   */
  believes(resolver: Address, near: boolean): boolean {
    return this.#known.get(keyOf(resolver)) === near;
  }

  /** Reads the files, if one of them has changed. */
  refresh(): void {
    const stamps = this.#files.map(stampOf).join();
    if (stamps === this.#stamps) return;
    this.#stamps = stamps;
    const named = this.#files.flatMap(namedIn);
    const own = ownAddresses();
    const texts = named.length > 0 ? named : DEFAULTS;
    this.#known = new Map(
      texts.flatMap((text) => {
        const address = parseAddress(text.replace(/%.*/, ''));
        if (address === undefined) return [];
        const key = keyOf(address);
        return [[key, isLoopback(address) || own.has(key)]] as const;
      }),
    );
  }
}

function keyOf({ family, value }: Address): string {
  return `${family}/${value}`;
}

function isLoopback({ family, value }: Address): boolean {
  return family === 4 ? value >> 24n === 127n : value === 1n;
}

function ownAddresses(): Set<string> {
  const found = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return new Set(
    found.flatMap(({ address }) => {
      const parsed = parseAddress(address.replace(/%.*/, ''));
      return parsed === undefined ? [] : [keyOf(parsed)];
    }),
  );
}

/** Changes with the file, also when another one takes its place. Empty where there is none. */
function stampOf(file: string): string {
  try {
    const { ino, mtimeMs, size } = statSync(file);
    return `${ino} ${mtimeMs} ${size}`;
  } catch {
    return '';
  }
}

/** The addresses on lines such as `nameserver 192.0.2.53`. */
function namedIn(file: string): string[] {
  try {
    const lines = readFileSync(file, 'utf8').split('\n');
    return lines.flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? []);
  } catch {
    return [];
  }
}
