import { readFileSync, statSync } from 'node:fs';
import { type Address, parseAddress } from '../../policy/value/address.ts';

/** More than a file that people write has; one of millions of names, to block them, would push out what was answered. */
const MOST = 4096;

/** The names of this host's own file. */
export class HostsFile {
  readonly #path: string;
  #stamp = '';
  #read: { name: string; address: Address }[] = [];

  constructor(path = '/etc/hosts') {
    this.#path = path;
  }

  /** What it says now: the first names, where there are too many. Nothing where it can't be read. */
  read(): readonly { name: string; address: Address }[] {
    try {
      const { ino, mtimeMs, size } = statSync(this.#path);
      const stamp = `${ino} ${mtimeMs} ${size}`;
      if (stamp === this.#stamp) return this.#read;
      this.#read = parseHosts(readFileSync(this.#path, 'utf8'));
      this.#stamp = stamp;
    } catch {
      this.#read = [];
      this.#stamp = '';
    }
    return this.#read;
  }
}

/** Lines such as `192.0.2.7 db.example db # the old one`. */
function parseHosts(text: string): { name: string; address: Address }[] {
  const found = text.split('\n').flatMap((line) => {
    const [written = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    const address = parseAddress(written.replace(/%.*/, ''));
    if (address === undefined) return [];
    return names
      .map((name) => name.toLowerCase().replace(/\.$/, ''))
      .filter((name) => /^[a-z0-9_.-]{1,253}$/.test(name))
      .map((name) => ({ name, address }));
  });
  return found.slice(0, MOST);
}
