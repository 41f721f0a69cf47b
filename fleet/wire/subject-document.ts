/**
 * The subject of an observation as a fleet knows it: what is equal on hosts that do the same. Where the host knew the
 * name of a user, the name stands instead of the number. Absent text is unknown.
 */
export interface SubjectDocument {
  command: string;
  exe?: string;
  undeleted?: true;
  script?: string;
  /** Present where the name is not known, and in containers, whose users the host's names do not mean. */
  uid?: number;
  gid?: number;
  user?: string;
  group?: string;
  /** Where they are not the real ones; names as above. */
  euid?: number;
  egid?: number;
  euser?: string;
  egroup?: string;
  inContainer?: true;
  /** Without a suffix that was generated for one instance. */
  container?: string;
  image?: string;
  unit?: string;
  /** Only where neither a unit nor a container is known. */
  cgroup?: string;
}

const KEYS = [
  'command',
  'exe',
  'undeleted',
  'script',
  'uid',
  'gid',
  'user',
  'group',
  'euid',
  'egid',
  'euser',
  'egroup',
  'inContainer',
  'container',
  'image',
  'unit',
  'cgroup',
] as const satisfies readonly (keyof SubjectDocument)[];

type Unlisted = Exclude<keyof SubjectDocument, (typeof KEYS)[number]>;
const _all: Unlisted extends never ? true : never = true;
void _all;

/** The one way of writing it, so that equal ones have equal bytes: JSON with the keys in the order of the table. */
export function subjectBytes(document: SubjectDocument): Buffer {
  return Buffer.from(
    JSON.stringify(
      Object.fromEntries(KEYS.flatMap((key) => (document[key] === undefined ? [] : [[key, document[key]]]))),
    ),
  );
}
