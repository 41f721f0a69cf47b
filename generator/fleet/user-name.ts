import type { From } from '../../policy/meaning/policy.ts';
import type { Accounts } from '../../profiler/read/observation.ts';

/** From here on numbers stand for names of users and groups, of which hosts have different ids: no process has such an id. */
export const FIRST_NAME = 2 ** 33;

/** The user that has the same number on all hosts. */
const ROOT = 0;

/** Whether a number stands for a name. */
export function standsForName(id: number): boolean {
  return id >= FIRST_NAME;
}

/** Whether a rule for these users goes by names: some can only be named, and the others have names too, or are root. */
function goesByUserNames(ids: readonly number[]): boolean {
  return ids.some(standsForName) && ids.every((id) => standsForName(id) || id === ROOT);
}

/** Whether no rule can name all of these: it lists numbers or names. */
export function isMixed(ids: readonly number[]): boolean {
  return ids.some(standsForName) && !goesByUserNames(ids);
}

/** `from` as it stands in a policy: with names of users where their numbers stand for those. */
export function withUserNames(from: From, accounts: Accounts): From {
  const { uid, ...who } = from;
  return uid && goesByUserNames(uid) ? { ...who, user: uid.map((id) => userName(id, accounts)) } : from;
}

/** The name that a number stands for. */
export function userName(id: number, accounts: Accounts): string {
  return accounts.namesOf('user', id)[0] ?? (id === ROOT ? 'root' : String(id));
}
