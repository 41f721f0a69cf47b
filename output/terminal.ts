/** Whether a stream leads to a terminal that can do more than print one line after the other. */
export function isTerminal(stream: { isTTY?: boolean }): boolean {
  return stream.isTTY === true && process.env.TERM !== 'dumb';
}
