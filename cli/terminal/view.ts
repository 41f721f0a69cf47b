import { columnsOf, isTerminal, wantsColour } from '../../output/terminal.ts';

/** What is known of where a report is printed. */
export interface View {
  /** Columns that a line may have; absent where nobody is known to look at lines: a file, a pipe, `--wide`. */
  width?: number;
  colour: boolean;
}

/** A report for whatever reads it: nothing is cut, nothing coloured. */
export const PLAIN_VIEW: View = { colour: false };

/** How a stream shows what is printed now. `wide`: lines are not to be cut for its terminal. */
export function viewOf(stream: { isTTY?: boolean; columns?: number }, wide = false): View {
  const colour = wantsColour(stream);
  return wide || !isTerminal(stream) ? { colour } : { width: columnsOf(stream), colour };
}
