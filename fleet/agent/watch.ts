import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentState, HubMessage, Refusal } from '../wire/message.ts';
import { type HubClient, isShutOut, type WatchCall } from '../wire/client.ts';
import { BackOff } from './back-off.ts';

/** Between two signs of life, milliseconds, and the share of it by which that varies. */
const HEARTBEAT = 30_000;
const JITTER = 0.2;
/** A hub that sends nothing at all for so long at the beginning is no hub. Milliseconds. */
const WELCOME = 15_000;

export interface WatchParts {
  hub: () => HubClient;
  failed: (hub: HubClient) => void;
  /** What this agent says of itself now. */
  state: () => Promise<Omit<AgentState, 'instance' | 'nonce' | 'refusal' | 'clock'>>;
  /** Told each message; `answer` is for offers: once, with a refusal where there is one. */
  take: (message: HubMessage, answer: (refusal: Refusal | null) => void) => void;
  /** A hub does not take this host's certificate. */
  shutOut: () => Promise<void>;
  say: (text: string) => void;
  signal: AbortSignal;
}

/** The stream to a hub, made again whenever it ends. */
export class Watch {
  readonly #parts: WatchParts;
  readonly #instance: string = randomUUID();
  readonly #backOff = new BackOff();
  #call: WatchCall | undefined;
  #welcome = false;
  #reconnectAfter: number | undefined;
  /** What was said of a hub that is away last: it is not said again and again. */
  #said = '';

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  /** Whether a hub has answered on the stream that is open. */
  get connected(): boolean {
    return this.#welcome;
  }

  /** Says how things are now: what is in force has changed. */
  async report(): Promise<void> {
    await this.#send(this.#call, '', null);
  }

  /** Until the signal comes. */
  async run(): Promise<void> {
    const { signal } = this.#parts;
    while (!signal.aborted) {
      await this.#connect();
      const wait = this.#reconnectAfter ?? this.#backOff.next();
      this.#reconnectAfter = undefined;
      await sleep(wait, undefined, { signal }).catch(() => undefined);
    }
  }

  /** One stream, from its first message to its end. Never throws. */
  async #connect(): Promise<void> {
    const { failed, hub: pick, say, shutOut, signal } = this.#parts;
    let hub: HubClient | undefined;
    const timers: NodeJS.Timeout[] = [];
    let call: WatchCall | undefined;
    const end = (): void => call?.cancel();
    try {
      hub = pick();
      call = hub.watch();
      this.#call = call;
      signal.addEventListener('abort', end);
      // From the first moment on: a failure before that would not be heard.
      const reading = this.#read(call, hub);
      void this.#send(call, '', null);
      const beat = HEARTBEAT * (1 + JITTER * (2 * Math.random() - 1));
      timers.push(setInterval(() => void this.report(), beat));
      timers.push(setTimeout(() => this.#welcome || end(), WELCOME));
      await reading;
      if (!this.#welcome) failed(hub);
    } catch (error) {
      if (hub !== undefined) failed(hub);
      const text = (error as Error).message;
      if (text !== this.#said && !signal.aborted) say(`${text}; this host goes on without it.\n`);
      this.#said = text;
      if (isShutOut(error) || isTls(error)) await shutOut();
    } finally {
      for (const timer of timers) clearInterval(timer);
      signal.removeEventListener('abort', end);
      call?.cancel();
      this.#call = undefined;
      this.#welcome = false;
    }
  }

  async #read(call: WatchCall, hub: HubClient): Promise<void> {
    for await (const message of call.messages) this.#take(message, call, hub);
  }

  #take(message: HubMessage, call: WatchCall, hub: HubClient): void {
    if (message.it === 'welcome') {
      this.#welcome = true;
      this.#backOff.reset();
      if (this.#said !== '') this.#parts.say(`The hub ${hub.address} is there again.\n`);
      this.#said = '';
    }
    if (message.it === 'goodbye') {
      this.#reconnectAfter = Math.min(600_000, message.goodbye?.reconnectAfter ?? 0);
      this.#parts.failed(hub);
      call.cancel();
      return;
    }
    const nonce = message.offer?.nonce ?? '';
    this.#parts.take(message, (refusal) => {
      // An offer of a stream that is gone is answered by what is in force.
      if (this.#call === call) void this.#send(call, nonce, refusal);
    });
  }

  async #send(call: WatchCall | undefined, nonce: string, refusal: Refusal | null): Promise<void> {
    if (call === undefined) return;
    const state = await this.#parts.state();
    call.send({ instance: this.#instance, ...state, nonce, refusal, clock: Date.now() });
  }
}

/** A certificate that has ended is refused by TLS itself, without a word of gRPC. */
function isTls(error: unknown): boolean {
  const { detail = '' } = error as { detail?: string };
  return /certificate|alert/i.test(detail);
}
