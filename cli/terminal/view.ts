import { styleText } from 'node:util';
import { columnsOf, isTerminal, wantsColour } from '../../output/terminal.ts';

/** The text formats in use. */
export type Style = 'bold' | 'green' | 'yellow' | 'red';

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

/** Text in a colour, where there are colours. Node decides by the wrong stream, so that it is not asked. */
export function paint(view: View, style: Style | undefined, text: string): string {
  return view.colour && style !== undefined ? styleText(style, text, { validateStream: false }) : text;
}
