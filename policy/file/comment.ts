import { visible } from '../../error/visible.ts';

/**
 * A comment of these lines. Each stays one: names that others chose (of programs, containers, hosts, addresses) may hold
 * ends of lines, and what begins a line of its own is read again, such as `review:` and `withheld:`.
 */
export function commentOf(lines: readonly string[]): string {
  return lines.map(visible).join('\n');
}
