import { fork, type ChildProcess } from 'node:child_process';
import { lstatSync, rmSync } from 'node:fs';
import { renderFailure } from '../../error/failure.ts';
import { programFile } from '../../host/program-file.ts';
import { failureError } from '../../profiler/serve/protocol.ts';
import { failedReply } from './reply.ts';
import type { DoorPlace, FromDoor, LiveEvent, Reply, Servant, ToDoor, Wish } from './door-message.ts';

/** Events on their way to the door; what comes on top is left out, and counted. */
const MOST_UNDER_WAY = 8;
/** How long it may take to end, milliseconds. */
const PATIENCE = 5000;

type Opened = Extract<FromDoor, { opened: unknown }>['opened'];

/** The process that answers browsers, which has the rights of a servant alone. */
export class Door {
  /** Settles when that process is gone. */
  readonly gone: Promise<void>;
  readonly #child: ChildProcess;
  readonly #place: DoorPlace;
  #opened: Opened | undefined;
  /** Those who wait for another link, in the order in which they asked. */
  readonly #renewing: ((token: string) => void)[] = [];
  #underWay = 0;
  /** Connections that were left out, and of which it has not been told. */
  #missed = 0;

  private constructor(place: DoorPlace, answer: (wish: Wish) => Promise<Reply>) {
    this.#place = place;
    this.#child = fork(programFile('bundle/door-process.js'), {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // Nothing of ours: it is handed all that it needs.
      env: {},
      cwd: '/',
    });
    this.gone = new Promise((resolve) => this.#child.once('exit', () => resolve()));
    this.#child.on('message', (message: FromDoor) => {
      if ('wish' in message) void this.#grant(message, answer);
      if ('renewed' in message) this.#renewing.shift()?.(message.renewed);
    });
  }

  /** Throws as `listenAndServe`. */
  static async open(
    place: DoorPlace,
    servant: Servant | undefined,
    answer: (wish: Wish) => Promise<Reply>,
  ): Promise<Door> {
    const door = new Door(place, answer);
    door.#opened = await new Promise<Opened>((resolve, reject) => {
      door.#child.on('message', (message: FromDoor) => {
        if ('opened' in message) resolve(message.opened);
        if ('failure' in message) reject(failureError(message.failure));
      });
      void door.gone.then(() => reject(new Error('the process that answers browsers ended at once')));
      door.#send({ open: { place, servant } });
    });
    return door;
  }

  /** What opens the page, once. `port`: of this host where it is a socket's other end. */
  link(port: number): string {
    const { port: own, token } = this.#opened!;
    return own === undefined ? `http://localhost:${port}/${token}` : `http://127.0.0.1:${own}/${token}`;
  }

  /** As `link`, another one. Those before work no more. Never settles where that process is gone. */
  async anotherLink(port: number): Promise<string> {
    const token = await new Promise<string>((resolve) => {
      this.#renewing.push(resolve);
      this.#send({ renew: true });
    });
    this.#opened = { ...this.#opened!, token };
    return this.link(port);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Shows what happens now. Never waits: what the door does not take in time is counted for it. */
  show(event: LiveEvent): void {
    if ('state' in event) return this.#send({ event });
    const { connections } = event;
    if (this.#underWay >= MOST_UNDER_WAY) {
      this.#missed += connections.connections;
      return;
    }
    const missed = connections.missed + this.#missed;
    this.#missed = 0;
    this.#underWay += 1;
    this.#send({ event: { connections: { ...connections, missed } } }, () => (this.#underWay -= 1));
  }

  async end(): Promise<void> {
    this.#send({ end: true });
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE);
    await this.gone;
    clearTimeout(timer);
    this.#removeSocket();
  }

  /** Where the door could not: it is in a directory of root's alone, or nobody may rename it there. */
  #removeSocket(): void {
    const inode = this.#opened?.inode;
    if (inode === undefined || !('socket' in this.#place)) return;
    const { socket } = this.#place;
    const there = lstatSync(socket, { bigint: true, throwIfNoEntry: false });
    if (there?.isSocket() === true && String(there.ino) === inode) rmSync(socket, { force: true });
  }

  async #grant(
    { number, wish }: { wish: Wish; number: number },
    answer: (wish: Wish) => Promise<Reply>,
  ): Promise<void> {
    let reply: Reply;
    try {
      reply = await answer(wish);
    } catch (error) {
      // A page cannot be made any more: the record is gone, say. That is for the terminal and the browser.
      process.stderr.write(renderFailure(error));
      reply = failedReply(error);
    }
    this.#send({ reply, number });
  }

  #send(message: ToDoor, sent: () => void = () => {}): void {
    if (this.#child.connected) this.#child.send(message, () => sent());
    else sent();
  }
}
