import { basename } from 'node:path';
import { destinationAddress } from '../../generator/destination/destination.ts';
import { containsAddress } from '../../policy/value/cidr.ts';
import { matchesGlob } from '../../policy/value/name.ts';
import type { Followed } from '../../profiler/follow/follow.ts';
import type { Where } from './where.ts';

/** Which connections are wanted; what is absent is not asked for. */
export interface Filters {
  /** `noted`: denied by a policy in monitor mode, which stopped nothing. */
  verdict?: 'allow' | 'deny' | 'noted';
  /** Both `deny` and `noted`. */
  denied?: boolean;
  /** Names with `*`. */
  subject?: string;
  name?: string;
  destination?: Where;
  /** Only what was not seen before. */
  new?: boolean;
}

/** Whether a connection is wanted. */
export function wanted(event: Followed, filters: Filters): boolean {
  const { denied, destination, name, subject, verdict } = filters;
  return (
    (denied !== true || event.verdict !== 'allow') &&
    (verdict === undefined || event.verdict === verdict) &&
    (filters.new !== true || event.isNew) &&
    (subject === undefined || isSubject(event, subject)) &&
    (name === undefined || event.names.some((each) => matchesGlob(name, each))) &&
    (destination === undefined || isThere(event, destination))
  );
}

/** Whether a pattern is one of the names that a subject goes by. */
function isSubject({ subject, user }: Followed, pattern: string): boolean {
  const { command, container, exe, image, inContainer, script, uid, unit } = subject;
  const files = [exe, script].filter((path) => path !== undefined);
  const names = [
    command,
    ...files,
    ...files.map((path) => basename(path)),
    unit,
    container,
    image,
    String(uid),
  ];
  if (!inContainer) names.push(user);
  return names.some((each) => each !== undefined && matchesGlob(pattern, each));
}

function isThere({ destination }: Followed, { port, prefix }: Where): boolean {
  if (destination.socket !== undefined) return false;
  if (port !== undefined && destination.port !== port) return false;
  return prefix === undefined || containsAddress(prefix, destinationAddress(destination));
}
