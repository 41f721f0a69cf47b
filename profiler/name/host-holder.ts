import { statSync } from 'node:fs';
import { namespaceOf } from '../../host/namespace.ts';
import { processes } from '../../host/open/socket-holder.ts';
import type { Address } from '../../policy/value/address.ts';
import { boundSockets, exactly, holdersOfSockets } from './port-holder.ts';
import type { Holder } from './resolver-table.ts';

/** Milliseconds until all processes are searched again for sockets that nobody was found to hold. */
const AGAIN = 1000;

/**
 * Finds who answers as a resolver in a container's network and is no process in there: dockerd opens a socket of its own
 * in each network that it makes, at any port. Nothing in the container can hold such a socket.
 */
export class HostHolders {
  /** The host's network namespace. */
  readonly #host: number;
  readonly #now: () => number;
  /** Who held one last: the same program holds those of all containers. */
  #last: string[] = [];
  /** Sockets that nobody was found to hold. */
  #unheld = new Set<string>();
  #again = 0;

  /** `now`: milliseconds. */
  constructor(host: number, now: () => number = () => performance.now()) {
    this.#host = host;
    this.#now = now;
  }

  /** Who answers at an address, in the network namespace of a process. `before`: who did at the last look. */
  find(pid: number, address: Address, before?: Holder): Holder | undefined {
    const texts = exactly(address);
    const sockets = boundSockets(pid).filter((each) => texts.includes(each.address));
    if (before && sockets.some(({ inode }) => inode === before.inode)) return before;
    const inodes = new Set(sockets.map(({ inode }) => inode));
    if (inodes.size === 0) return undefined;
    let holders = holdersOfSockets(inodes, this.#ofHost(this.#last));
    if (holders.size === 0 && this.#maySearch(inodes)) {
      holders = holdersOfSockets(inodes, this.#ofHost(processes()));
      this.#unheld = new Set([...this.#unheld, ...inodes]);
    }
    for (const { inode, uid } of sockets) {
      const holder = holders.get(inode);
      if (holder === undefined) continue;
      this.#last = [holder.pid];
      return { inode, uid, ...holder };
    }
    return undefined;
  }

  /** All that every process has open is much to look at. */
  #maySearch(inodes: ReadonlySet<string>): boolean {
    const now = this.#now();
    if (now >= this.#again) {
      this.#again = now + AGAIN;
      this.#unheld = new Set();
    }
    return [...inodes].some((inode) => !this.#unheld.has(inode));
  }

  /** Processes of root that are in the host's network. */
  #ofHost(pids: readonly string[]): string[] {
    return pids.filter((pid) => {
      try {
        return statSync(`/proc/${pid}`).uid === 0 && namespaceOf(Number(pid), 'net') === this.#host;
      } catch {
        return false;
      }
    });
  }
}
