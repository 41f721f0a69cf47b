import type { Subject } from '../../profiler/read/observation.ts';

/** The user ids of a process, real, effective and of file accesses, each once and in order: `[0, 1000]`. */
export function userIds({
  uid,
  euid = uid,
  fsuid = euid,
}: Pick<Subject, 'uid' | 'euid' | 'fsuid'>): number[] {
  if (uid === euid && euid === fsuid) return [uid];
  return distinct([uid, euid, fsuid]);
}

/** Its group ids, without the supplementary ones: those are not recorded. */
export function groupIds({
  gid,
  egid = gid,
  fsgid = egid,
}: Pick<Subject, 'gid' | 'egid' | 'fsgid'>): number[] {
  if (gid === egid && egid === fsgid) return [gid];
  return distinct([gid, egid, fsgid]);
}

/** All lists of one or more of the ids, in their order. */
export function subsetsOf(ids: readonly number[]): number[][] {
  if (ids.length === 1) return [[...ids]];
  return Array.from({ length: 2 ** ids.length - 1 }, (_, at) =>
    ids.filter((_id, bit) => ((at + 1) >> bit) & 1),
  );
}

function distinct(ids: readonly number[]): number[] {
  return [...new Set(ids)].sort((a, b) => a - b);
}
