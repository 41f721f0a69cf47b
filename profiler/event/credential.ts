/** By whom a process connects: ids in the initial user namespace. */
export interface Credential {
  /** Real. */
  uid: number;
  /** Effective: those of its owner in a set-user-id program. */
  euid: number;
  /** By which files are opened; a server that opens them for others may have one of its own. */
  fsuid: number;
  gid: number;
  egid: number;
  fsgid: number;
}

/** No process can have this id: what imports of sources without ids have for them. */
export const UNKNOWN_ID = 4_294_967_295;

/** In the order of the table `credential`. */
export const CREDENTIAL_IDS = [
  'uid',
  'euid',
  'fsuid',
  'gid',
  'egid',
  'fsgid',
] as const satisfies (keyof Credential)[];

/** Equal for equal credentials. */
export function credentialKey(credential: Credential): string {
  return CREDENTIAL_IDS.map((name) => credential[name]).join();
}

/** What an id is the id of. */
export type AccountKind = 'user' | 'group';

/** The ids of a credential, each once, with what they are ids of. */
export function accountsIn({ uid, euid, fsuid, gid, egid, fsgid }: Credential): [AccountKind, number][] {
  return [
    ...[...new Set([uid, euid, fsuid])].map((id): [AccountKind, number] => ['user', id]),
    ...[...new Set([gid, egid, fsgid])].map((id): [AccountKind, number] => ['group', id]),
  ];
}
