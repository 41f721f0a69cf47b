/** How many bytes of a command the kernel keeps (`TASK_COMM_LEN` less its end). */
export const COMMAND_BYTES = 15;

/**
 * A command as the kernel knows it: its first 15 bytes. A character that the cut splits becomes U+FFFD, as it
 * does when the kernel's bytes are decoded, so that both sides of a comparison agree.
 */
export function cutCommand(command: string): string {
  if (command.length <= COMMAND_BYTES / 3) return command;
  const bytes = Buffer.from(command, 'utf8');
  return bytes.length <= COMMAND_BYTES ? command : bytes.subarray(0, COMMAND_BYTES).toString('utf8');
}

/**
 * A command of a policy as it is compared: what it says beyond the first 15 bytes is lost, a last `*` among
 * it.
 */
export function cutPattern(pattern: string): string {
  if (!pattern.endsWith('*')) return cutCommand(pattern);
  const prefix = pattern.slice(0, -1);
  return Buffer.byteLength(prefix) < COMMAND_BYTES ? pattern : cutCommand(prefix);
}

/** Whether a name in a policy stands for more than itself. */
export function isGlob(pattern: string): boolean {
  return pattern.includes('*');
}

/** Whether `text` is what the pattern says; each `*` stands for any text, none included. */
export function matchesGlob(pattern: string, text: string): boolean {
  const parts = pattern.split('*');
  if (parts.length === 1) return pattern === text;
  const head = parts[0]!;
  const tail = parts.at(-1)!;
  if (text.length < head.length + tail.length || !text.startsWith(head) || !text.endsWith(tail)) return false;
  // The leftmost place of each middle part leaves the most room for the next, so no backtracking is needed.
  let at = head.length;
  const end = text.length - tail.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}

/** Whether a path is what the pattern says; each `*` stands for any text within one step, none included. */
export function matchesPath(pattern: string, path: string): boolean {
  if (!isGlob(pattern)) return pattern === path;
  const steps = pattern.split('/');
  const names = path.split('/');
  return steps.length === names.length && steps.every((step, index) => matchesGlob(step, names[index]!));
}

/**
 * Whether a recorded path is one that a pattern can find among the files of a host. The kernel says of a file that was
 * deleted, or never had a name, where it would be, and what is no UTF-8 has no path that is text.
 */
export function isFindable(path: string): boolean {
  return !path.endsWith(' (deleted)') && !path.startsWith('/memfd:') && !path.includes('\ufffd');
}

/** Whether a command (a process's, not yet cut) is what the pattern says; only a last `*` is a glob here. */
export function matchesCommand(pattern: string, command: string): boolean {
  const cut = cutCommand(command);
  return pattern.endsWith('*')
    ? cut.startsWith(cutCommand(pattern.slice(0, -1)))
    : cut === cutCommand(pattern);
}
