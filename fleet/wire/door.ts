import { createServer, type Server, type Socket } from 'node:net';

/** How many connections may be open at a time: in all, and from one address. */
export interface DoorLimits {
  all: number;
  perAddress: number;
}

/** Listens at a port, and lets so many connections in; those beyond are closed before anything is read from them. */
export class Door {
  readonly #server: Server;
  readonly #limits: DoorLimits;
  readonly #open = new Set<Socket>();
  readonly #byAddress = new Map<string, number>();

  constructor(limits: DoorLimits, enter: (socket: Socket) => void) {
    this.#limits = limits;
    this.#server = createServer((socket) => {
      if (this.#admit(socket)) enter(socket);
      else socket.destroy();
    });
  }

  /** At HOST:PORT, with an address of version 6 in brackets (port 0: any that is free). Returns the port. */
  async listen(address: string): Promise<number> {
    const colon = address.lastIndexOf(':');
    const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
    return await new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port: Number(address.slice(colon + 1)) }, () => {
        this.#server.off('error', reject);
        const bound = this.#server.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : 0);
      });
    });
  }

  /** Lets nobody in any more; who is in stays. */
  close(): void {
    this.#server.close();
  }

  /** Ends who is in. */
  clear(): void {
    for (const socket of this.#open) socket.destroy();
  }

  #admit(socket: Socket): boolean {
    const from = sourceOf(socket.remoteAddress ?? '');
    const count = this.#byAddress.get(from) ?? 0;
    if (this.#open.size >= this.#limits.all || count >= this.#limits.perAddress) return false;
    this.#open.add(socket);
    this.#byAddress.set(from, count + 1);
    socket.once('close', () => {
      this.#open.delete(socket);
      const left = this.#byAddress.get(from)! - 1;
      if (left === 0) this.#byAddress.delete(from);
      else this.#byAddress.set(from, left);
    });
    return true;
  }
}

/** Who is counted as one: an address of version 4, and the first 64 bits of one of version 6, which one host has all of. */
export function sourceOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(':')) return mapped ?? address;
  const [head = '', tail] = address.split('%')[0]!.split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  return [...first, ...Array.from({ length: zeros }, () => '0'), ...last].slice(0, 4).join(':');
}
