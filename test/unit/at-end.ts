import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';

const acts = new WeakMap<TestContext, (() => unknown)[]>();

/**
 * Does this at the end of the test, what was said last first: a directory is removed after the processes that write
 * into it have ended. `t.after` of Node.js keeps the order in which it was called.
 */
export function atEnd(t: TestContext, act: () => unknown): void {
  const known = acts.get(t);
  if (known !== undefined) {
    known.push(act);
    return;
  }
  const all = [act];
  acts.set(t, all);
  t.after(async () => {
    for (const one of all.reverse()) await one();
  });
}

/** Ends this process at the end of the test, and waits until it is gone. */
export function endAtEnd(t: TestContext, child: ChildProcess): void {
  atEnd(t, async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  });
}
