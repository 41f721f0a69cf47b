import { fstatSync } from 'node:fs';

/** The priorities of syslog(3) that are in use, by what they are called there. */
const PRIORITIES = { critical: 2, error: 3, warning: 4, info: 6 } as const;
export type Priority = keyof typeof PRIORITIES;

/** How messages begin that are more than information. */
const BEGINNINGS: readonly (readonly [RegExp, Priority])[] = [
  [/^WARNING: /, 'critical'],
  [/^bouheki: /, 'error'],
  [/^Warning: /, 'warning'],
];

/**
 * Whether a standard stream leads to the journal of systemd. The variable JOURNAL_STREAM has the device and inode of
 * what it made; a stream that was redirected since has others. Source: systemd.exec(5).
 */
export function leadsToJournal(stream: 1 | 2, environment: NodeJS.ProcessEnv = process.env): boolean {
  if (!environment.JOURNAL_STREAM) return false;
  const { dev, ino } = fstatSync(stream, { bigint: true });
  return environment.JOURNAL_STREAM === `${dev}:${ino}`;
}

/** How much a message matters, by how it begins. */
export function priorityOf(message: string): Priority {
  return BEGINNINGS.find(([beginning]) => beginning.test(message))?.[1] ?? 'info';
}

/** A message as it is written to a standard stream: with its priority, where that leads to the journal. */
export function messageFor(stream: 1 | 2, message: string): string {
  return leadsToJournal(stream) ? withPriority(message, priorityOf(message)) : message;
}

/** A text with the priority before each line, which the journal takes off again. Source: sd-daemon(3). */
export function withPriority(text: string, priority: Priority): string {
  return text.replace(/^(?=.)/gm, `<${PRIORITIES[priority]}>`);
}
