import { type ChildProcess, fork } from 'node:child_process';
import { exposeToOom } from '../../host/oom-score.ts';
import { programFile } from '../../host/program-file.ts';
import type { Answer as Told, Question } from './container-reader.ts';
import type { Said } from './container-reader-process.ts';

/** How long one container's files may delay all others, milliseconds. */
const PATIENCE = 10_000;

const PROCESS = programFile('bundle/container-reader-process.js');

/** There was no answer: the process that reads the container may be lost. */
export class Silence extends Error {
  override readonly name = 'Silence';
}

/** What the reader has reported, and which process it is: its descriptors are its own. */
export type Answer = (NonNullable<Told> & { reader: number }) | undefined;

interface Asked {
  question: Question;
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/**
 * What paths mean in containers, as a process of its own finds out. A container can make a file system that
 * never answers, and the process that reads it can then neither go on nor be killed. So no other process may
 * wait for it, and it holds nothing. It is given up after a while, and another one takes its place.
 */
export class ContainerFiles implements Disposable {
  readonly #patience: number;
  #child: ChildProcess | undefined;
  #ready = false;
  /** In the order of the answers. */
  #asked: Asked[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(patience: number = PATIENCE) {
    this.#patience = patience;
  }

  /** Rejects with an error that says why the files cannot be found. */
  async ask(question: Question): Promise<Answer> {
    return await new Promise((resolve, reject) => {
      this.#asked.push({ question, resolve, reject });
      const child = this.#start();
      if (!this.#ready) return;
      child.send(question);
      this.#waitForFirst();
    });
  }

  /** Pending requests get no answer. */
  [Symbol.dispose](): void {
    this.#asked = [];
    this.#leave();
  }

  #start(): ChildProcess {
    if (this.#child) return this.#child;
    const child = fork(PROCESS, { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    exposeToOom(child.pid);
    this.#child = child;
    child.on('message', (said: Said) => {
      if (child === this.#child) this.#hear(said);
    });
    for (const event of ['exit', 'error'] as const) {
      child.on(event, () => {
        if (child === this.#child) this.#giveUp('the process that looks at them has ended');
      });
    }
    return child;
  }

  #hear(said: Said): void {
    if (said === 'ready') {
      this.#ready = true;
      for (const { question } of this.#asked) this.#child!.send(question);
    } else {
      const { reject, resolve } = this.#asked.shift()!;
      if ('error' in said) reject(new Error(said.error));
      else resolve(said.answer && { ...said.answer, reader: this.#child!.pid! });
    }
    this.#waitForFirst();
  }

  #waitForFirst(): void {
    if (this.#timer && this.#asked.length > 0 && this.#asked[0] === this.#waitedFor) return;
    clearTimeout(this.#timer);
    this.#waitedFor = this.#asked[0];
    if (!this.#waitedFor) return;
    const message = `no answer within ${this.#patience} ms`;
    this.#timer = setTimeout(() => this.#giveUp(message), this.#patience).unref();
  }

  #waitedFor: Asked | undefined;

  /** The first question has no answer; the others are asked anew. */
  #giveUp(message: string): void {
    this.#leave();
    this.#asked.shift()?.reject(new Silence(message));
    if (this.#asked.length > 0) this.#start();
  }

  #leave(): void {
    clearTimeout(this.#timer);
    this.#waitedFor = undefined;
    this.#ready = false;
    const child = this.#child;
    this.#child = undefined;
    child?.kill('SIGKILL');
  }
}
