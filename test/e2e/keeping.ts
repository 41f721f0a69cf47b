import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pythonTo } from './attempt.ts';
import { folder, run } from './guest.ts';

/** What tests of policies with on_exit: keep have in common. */

export const BPFFS = '/sys/fs/bpf';
/** Where bouheki pins what it keeps: a folder for each process. */
export const PINS = `${BPFFS}/bouheki`;
export const DENIED = '10.0.1.1';
export const OTHER = '10.0.1.2';

const place = folder();
export const db = join(place, 'record.duckdb');

/** The file of a policy in block mode. */
export function policyFile(name: string, rules: string): string {
  const file = join(place, name);
  writeFileSync(file, `version: 2\nnetwork:\n  mode: block\n${rules}`);
  chmodSync(file, 0o600);
  return file;
}

/** Denies one address, and allows all others. */
export const RULES = `  deny: [{ name: nobody, to: [{ cidr: [${DENIED}] }] }]\n  allow: [{ name: everything, to: [{}] }]\n`;
export const KEEP = policyFile('keep.yaml', `  on_exit: keep\n${RULES}`);

/** The folders of processes that have pinned something. */
export function pinned(): string[] {
  return existsSync(PINS) ? readdirSync(PINS) : [];
}

export function removePins(): void {
  run('rm', '-rf', PINS);
}

/** Whether an address can be reached in the end: a link that is unlinked goes a moment later. */
export function becomesReachable(address: string): boolean {
  for (const deadline = performance.now() + 90_000; performance.now() < deadline;)
    if (pythonTo('tcp', address, 80) === 'reached') return true;
  return false;
}
