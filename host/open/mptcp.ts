import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** How long ip(8) may take, milliseconds. */
const PATIENCE = 2000;

/**
 * How many addresses that a peer announces the kernel connects to by itself, per connection of MPTCP. `off` where
 * there is no MPTCP; undefined where that can't be found out, since netlink alone has it and ip(8) is missing.
 */
export function acceptedAddresses(): number | 'off' | undefined {
  try {
    if (readFileSync('/proc/sys/net/mptcp/enabled', 'utf8').trim() === '0') return 'off';
  } catch {
    return 'off';
  }
  try {
    const answer = execFileSync('ip', ['mptcp', 'limits'], {
      encoding: 'utf8',
      timeout: PATIENCE,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return acceptedIn(answer);
  } catch {
    return undefined;
  }
}

/** Out of `add_addr_accepted 0 subflows 2`. */
export function acceptedIn(text: string): number | undefined {
  const [, count] = /\badd_addr_accepted (\d+)\b/.exec(text) ?? [];
  return count === undefined ? undefined : Number(count);
}
