/** A reporter for `node --test` that writes one line for each finished test case, for the driver to read. */
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';

import { type Line, type Outcome, writeLine } from './outcome.ts';

type Finished = Extract<TestEvent, { type: 'test:pass' | 'test:fail' }>;

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const tree = new Tree();
  for await (const event of events) {
    const line = lineOf(event, tree);
    if (line) yield writeLine(line);
  }
  yield writeLine({ kind: 'end' });
}

function lineOf(event: TestEvent, tree: Tree): Line | undefined {
  switch (event.type) {
    case 'test:start':
      tree.enter(event.data.nesting, event.data.name);
      return undefined;
    case 'test:pass':
    case 'test:fail':
      return outcomeOf(event, tree);
    case 'test:stderr':
      tree.complain(event.data.message);
      return { kind: 'remark', message: event.data.message.trimEnd() };
    case 'test:stdout':
      return { kind: 'remark', message: event.data.message.trimEnd() };
    case 'test:diagnostic':
      // Those without a file are the runner's own statistics.
      return event.data.file ? { kind: 'remark', message: event.data.message } : undefined;
    default:
      return undefined;
  }
}

/** The names of the tests that are under way, and which of them turned out to have tests of their own. */
class Tree {
  readonly #names: string[] = [];
  readonly #parents: boolean[] = [];
  #complaints = '';

  enter(depth: number, name: string): void {
    this.#names.length = depth;
    this.#parents.length = depth;
    this.#names.push(name);
    this.#parents.fill(true);
    this.#parents.push(false);
  }

  hasChildren(depth: number): boolean {
    return this.#parents[depth] ?? false;
  }

  path(depth: number, name: string): string {
    return [...this.#names.slice(0, depth), name].join(' › ');
  }

  /** Keeps what a test file wrote to stderr: often the only trace of why its process ended. */
  complain(text: string): void {
    this.#complaints += text;
  }

  takeComplaints(): string {
    const text = this.#complaints.trim();
    this.#complaints = '';
    return text;
  }
}

/** An outcome for each leaf; for a test with tests of its own only where it failed by itself. */
function outcomeOf({ type, data }: Finished, tree: Tree): Outcome | undefined {
  const failure = type === 'test:fail' ? data.details.error : undefined;
  // The runner's entry for the whole file: reported where the file has no test, or failed outside its tests.
  const wholeFile = data.nesting === 0 && data.name === data.file;
  const inner = data.details.type === 'suite' || tree.hasChildren(data.nesting);
  const place = {
    file: data.file ? relative(process.cwd(), data.file) : '',
    name: wholeFile ? 'the file itself' : tree.path(data.nesting, data.name),
    milliseconds: data.details.duration_ms,
  };
  if (isSet(data.skip) || isSet(data.todo)) {
    return { ...place, kind: 'skipped', message: reasonOf(data.skip ?? data.todo, isSet(data.todo)) };
  }
  if (failure) {
    if (inner && isFailureOfChildren(failure)) return undefined;
    return { ...place, kind: 'failed', message: messageOf(failure, wholeFile ? tree.takeComplaints() : '') };
  }
  return inner || wholeFile ? undefined : { ...place, kind: 'passed', message: '' };
}

/** Whether a test has this mark; the reason is left out as often as not. */
function isSet(mark: string | boolean | undefined): boolean {
  return mark !== undefined && mark !== false;
}

function reasonOf(skip: string | boolean | undefined, todo: boolean): string {
  if (typeof skip === 'string' && skip !== '') return skip;
  return todo ? 'to do' : 'no reason given';
}

function isFailureOfChildren(error: Error): boolean {
  return (error as { failureType?: unknown }).failureType === 'subtestsFailed';
}

function messageOf(error: Error, complaints: string): string {
  const { cause, exitCode, signal } = error as Error & { exitCode?: number; signal?: string };
  if (exitCode !== undefined || signal) return `ended with ${signal ?? exitCode}\n${complaints}`.trimEnd();
  if (cause instanceof Error) return withoutNode(stackOf(cause));
  return cause === undefined ? error.message : typeof cause === 'string' ? cause : inspect(cause);
}

/** With those of its causes: the seed of random values is often in one, and what failed in the other. */
function stackOf({ cause, message, stack }: Error): string {
  return `${stack ?? message}${cause instanceof Error ? `\nbecause of ${stackOf(cause)}` : ''}`;
}

function withoutNode(stack: string): string {
  return stack.replaceAll(/\n {4}at .*\(?node:.*/g, '');
}
