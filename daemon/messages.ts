import { isatty } from 'node:tty';
import { visibleLines } from '../error/visible.ts';
import { openStandard } from '../output/descriptor.ts';
import { messageFor } from '../output/journal.ts';
import { surviveLostTerminal } from '../output/lost-terminal.ts';
import { Outlet } from '../output/outlet.ts';
import { renderFailure, TROUBLE } from '../error/failure.ts';
import { isTerminal } from '../output/terminal.ts';

/** Bytes of messages that are kept while they are not read. */
const KEPT = 65_536;

/** How long what was said last may take to be read at the end, milliseconds. */
const LAST_MOMENT = 2000;

const STANDARD_ERROR = 2;

/**
 * What a command that runs for long says on standard error. It never waits for the reader, and goes on when
 * that one has gone: what can't be said is counted.
 */
export class Messages {
  /** Whether they lead to a terminal that can do more than print one line after the other. */
  readonly terminal = isTerminal({ isTTY: isatty(STANDARD_ERROR) });
  readonly #outlet = new Outlet(openStandard(STANDARD_ERROR), KEPT, {
    missing: (count) =>
      messageFor(
        STANDARD_ERROR,
        `Warning: ${count} messages are missing here: they could not be written in time.\n`,
      ),
  });

  /** How many could not be said. */
  get dropped(): number {
    return this.#outlet.dropped;
  }

  say(text: string): void {
    if (text !== '') this.#outlet.write(messageFor(STANDARD_ERROR, visibleLines(text)));
  }

  /** Shows how things stand, where that can be seen at once. */
  show(text: string): void {
    this.#outlet.show(text);
  }

  /** Waits until everything is said, a moment at the most. */
  async settle(): Promise<void> {
    await this.#outlet.settle(LAST_MOMENT);
  }
}

/** Runs a command that runs for long, and renders its failure: readers do not influence how it ends. */
export async function withMessages(work: (messages: Messages) => Promise<void>): Promise<void> {
  surviveLostTerminal();
  const messages = new Messages();
  // Node itself would write its warnings to standard error, and wait there.
  process.removeAllListeners('warning');
  process.on('warning', ({ message }) => messages.say(`Warning: ${message}\n`));
  try {
    await work(messages);
  } catch (error) {
    messages.say(renderFailure(error));
    process.exitCode = TROUBLE;
  }
  await messages.settle();
}
