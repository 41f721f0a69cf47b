import { join } from 'node:path';
import { LineProcess } from '../line-process.ts';
import type { Destination } from './client.ts';

const PROGRAM = join(import.meta.dirname, 'sender');

/** What came of an order. */
export interface Sent {
  sent: number;
  /** With EPERM. */
  refused: number;
}

/** A process that sends datagrams by the same sockets again and again: see sender.c. */
export class Sender implements AsyncDisposable {
  readonly #process: LineProcess;

  private constructor(process: LineProcess) {
    this.#process = process;
  }

  static async start(): Promise<Sender> {
    return new Sender(await LineProcess.start([PROGRAM]));
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** To so many ports in turn, from that of the destination on. */
  send(count: number, { address, port }: Destination, ports = 1): Promise<Sent> {
    return this.#does(`send ${count} ${ports} ${address} ${port}`);
  }

  /** As many from each of four threads. */
  threads(count: number, { address, port }: Destination): Promise<Sent> {
    return this.#does(`threads ${count} ${address} ${port}`);
  }

  as(uid: number): Promise<Sent> {
    return this.#does(`as ${uid}`);
  }

  rename(name: string): Promise<Sent> {
    return this.#does(`name ${name}`);
  }

  /** Goes on with other sockets. */
  renew(): Promise<Sent> {
    return this.#does('new');
  }

  route(): Promise<Sent> {
    return this.#does('route');
  }

  async #does(order: string): Promise<Sent> {
    this.#process.tell(`${order}\n`);
    const [sent, refused] = (await this.#process.line()).split(' ').map(Number);
    return { sent: sent!, refused: refused! };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
