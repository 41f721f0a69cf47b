import { setTimeout as wait } from 'node:timers/promises';
import { atMost } from './at-most.ts';
import type { CgroupContainer } from './cgroup.ts';
import { Containerd } from './runtime/containerd.ts';
import { CriO } from './runtime/cri-o.ts';
import { Docker } from './runtime/docker.ts';
import { Podman } from './runtime/podman.ts';
import { type ContainerFacts, type Runtime, RuntimeFailure } from './runtime/runtime.ts';

const RUNTIMES: readonly Runtime[] = [new Podman(), new CriO(), new Docker(), new Containerd()];

/** Runtimes whose containers have nothing but the name that is in the path. */
const NAMED_BY_PATH: ReadonlySet<string> = new Set(['lxc', 'nspawn']);

/**
 * How long a runtime may take to answer, milliseconds. No caller waits for it, except for a moment at the end
 * of a recording.
 */
const PATIENCE = 3000;
const ATTEMPTS = 3;
/** Before a question is put again, milliseconds: once that after the first attempt, twice that after the second. */
const PAUSE = 100;
const LAST_MOMENT = 1000;
/** For how long a container's runtime is asked for its name while it has not given it, milliseconds. */
const NAME_WAIT = 10_000;
/** Questions to one runtime at a time. */
const AT_ONCE = 4;
/** Containers remembered. One that was forgotten is asked for again. */
const KEPT = 16_384;

/** A container as far as it is known. The same object is filled in as its runtime reports more. */
export interface Container extends ContainerFacts {
  readonly runtime: string;
  readonly id: string;
  /** Whether a runtime has given the name; until then it is the first 12 characters of the id. */
  known: boolean;
  /** Whether the runtime has a question about it that is not answered yet. */
  asked: boolean;
  /** Milliseconds, as performance.now(). */
  readonly since: number;
}

/**
 * Names containers. A runtime's files are looked at when a container is first seen and until they have its
 * name; the runtime itself is asked once, in the background, with a time-out. No caller waits for an answer.
 */
export class ContainerNames {
  readonly #runtimes: readonly Runtime[];
  readonly #patience: number;
  readonly #known = new Map<string, Container>();
  #changed = new Set<Container>();
  readonly #asking = new Map<string, { running: number; queue: (() => void)[] }>();
  readonly #pending = new Set<Promise<void>>();
  /** How often a runtime could not be asked, by what went wrong: `docker: EACCES`. */
  readonly troubles = new Map<string, number>();

  constructor(runtimes: readonly Runtime[] = RUNTIMES, patience = PATIENCE) {
    this.#runtimes = runtimes;
    this.#patience = patience;
  }

  /** What is known of a container at this moment. */
  find({ runtime, id, user }: CgroupContainer): Container {
    // A user's cgroup may bear the id of another container, and a user's runtime gives names of the user's
    // choice.
    if (user !== undefined) return unnamed(runtime, id);
    const seen = this.#known.get(id);
    if (seen) {
      this.#lookAgain(seen);
      return seen;
    }
    const container = unnamed(runtime, id);
    if (this.#known.size >= KEPT) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(id, container);
    if (NAMED_BY_PATH.has(runtime)) Object.assign(container, { name: id, known: true });
    else this.#look(container);
    this.#ask(container);
    return container;
  }

  /** The containers of which more is known than when this was last asked. */
  takeChanged(): Iterable<Container> {
    for (const container of this.#known.values()) this.#lookAgain(container);
    const changed = this.#changed;
    this.#changed = new Set();
    return changed;
  }

  /** Waits for the answers to the questions that are open, a moment at the most. */
  async settle(): Promise<void> {
    await atMost(LAST_MOMENT, Promise.all(this.#pending));
  }

  #runtimeOf({ runtime }: Container): Runtime | undefined {
    return this.#runtimes.find(({ name }) => name === runtime);
  }

  #look(container: Container): void {
    const facts = this.#runtimeOf(container)?.find?.(container.id);
    if (facts) this.#learn(container, facts);
  }

  #lookAgain(container: Container): void {
    if (!container.known && performance.now() - container.since < NAME_WAIT) this.#look(container);
  }

  #learn(container: Container, facts: ContainerFacts): void {
    // A runtime may have created a container before it has named it.
    if (facts.name === '') return;
    const known = Object.entries(facts).filter(([, value]) => value !== '');
    Object.assign(container, Object.fromEntries(known), { known: true });
    this.#changed.add(container);
  }

  #ask(container: Container): void {
    const runtime = this.#runtimeOf(container);
    if (!runtime?.ask) return;
    container.asked = true;
    const asked = this.#question(runtime, container).finally(() => {
      container.asked = false;
      this.#pending.delete(asked);
    });
    this.#pending.add(asked);
  }

  /**
   * docker, for one, says nothing of a container while it starts it, and podman fails while it removes one: who
   * does not answer, or answers that it failed, is asked again.
   */
  async #question(runtime: Runtime, container: Container): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const done = await this.#turn(runtime.name);
      try {
        const facts = await runtime.ask!(container.id, AbortSignal.timeout(this.#patience));
        if (facts) this.#learn(container, facts);
        return;
      } catch (error) {
        if (attempt === ATTEMPTS || !mayPass(error as Error)) {
          this.#note(runtime.name, error as Error);
          return;
        }
      } finally {
        done();
      }
      await wait(attempt * PAUSE, undefined, { ref: false });
    }
  }

  /** Waits for one of the places for questions to a runtime. Returns what gives it back. */
  async #turn(runtime: string): Promise<() => void> {
    const line = this.#asking.get(runtime) ?? { running: 0, queue: [] };
    this.#asking.set(runtime, line);
    if (line.running >= AT_ONCE) await new Promise<void>((resolve) => line.queue.push(resolve));
    else line.running += 1;
    return () => {
      const next = line.queue.shift();
      if (next) next();
      else line.running -= 1;
    };
  }

  /** A runtime that offers no socket, or does not run any more, is no trouble: its files have the name. */
  #note(runtime: string, { code, message, name }: NodeJS.ErrnoException): void {
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return;
    const what = name === 'TimeoutError' ? `no answer within ${this.#patience} ms` : (code ?? message);
    const trouble = `${runtime}: ${what}`;
    this.troubles.set(trouble, (this.troubles.get(trouble) ?? 0) + 1);
  }
}

function mayPass(error: Error): boolean {
  return error.name === 'TimeoutError' || error instanceof RuntimeFailure;
}

function unnamed(runtime: string, id: string): Container {
  const name = id.slice(0, 12);
  return { runtime, id, name, image: '', imageId: '', known: false, asked: false, since: performance.now() };
}
