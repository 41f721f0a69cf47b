import { closeSync } from 'node:fs';
import { isatty } from 'node:tty';

/**
 * Lets the process end as it is to, when its terminal has gone: Node puts terminals back as they were at its
 * end, and aborts where it can't. To be called while the terminal is there.
 */
export function surviveLostTerminal(): void {
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  process.once('exit', () => {
    // What is closed Node leaves alone. A terminal that has gone is none any more.
    for (const fd of terminals) if (!isatty(fd)) closeSync(fd);
  });
}
