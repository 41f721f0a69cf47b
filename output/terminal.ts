import { styleText } from 'node:util';

/** The text formats in use. */
export type Style = 'bold' | 'green' | 'yellow' | 'red';

/** Of a terminal that does not say how wide it is, such as a serial line. */
const USUAL_COLUMNS = 80;

/** Whether a stream leads to a terminal that can do more than print one line after the other. */
export function isTerminal(stream: { isTTY?: boolean }): boolean {
  return stream.isTTY === true && process.env.TERM !== 'dumb';
}

/** How many columns a terminal has. It may change while a process runs. */
export function columnsOf(terminal: { columns?: number }): number {
  return terminal.columns || USUAL_COLUMNS;
}

/** Whether what is printed there may have colours: a terminal, and `NO_COLOR` is not set. */
export function wantsColour(stream: { isTTY?: boolean }): boolean {
  return isTerminal(stream) && !process.env.NO_COLOR;
}

/** Text in a colour, where there are colours. Node decides by the wrong stream, so that it is not asked. */
export function paint(colour: boolean, style: Style | undefined, text: string): string {
  return colour && style !== undefined ? styleText(style, text, { validateStream: false }) : text;
}
