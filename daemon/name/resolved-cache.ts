import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Where systemd-resolved writes whom it asks, while it runs. */
const RUNS = '/run/systemd/resolve/resolv.conf';
const RESOLVECTL = '/usr/bin/resolvectl';
/** Milliseconds. */
const PATIENCE = 5000;

/**
 * Has systemd-resolved forget what it was answered, where it runs: a program that asks it by nss-resolve sends no packet,
 * so what it answers from there would be known to nobody. Returns a sentence about what was done; undefined where it does
 * not run.
 */
export function flushResolved(
  { runs, resolvectl }: { runs: string; resolvectl: string } = { runs: RUNS, resolvectl: RESOLVECTL },
): Promise<string | undefined> {
  if (!existsSync(runs)) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    execFile(resolvectl, ['flush-caches'], { timeout: PATIENCE }, (error, _, complaint) => {
      const reason = complaint.trim().split('\n')[0] || error?.message.trim();
      resolve(
        error
          ? `Warning: cannot flush the cache of systemd-resolved (${reason}): rules by name allow no program what that answers it from there by nss-resolve.`
          : 'Flushed the cache of systemd-resolved: what it answers from now on is known.',
      );
    });
  });
}
