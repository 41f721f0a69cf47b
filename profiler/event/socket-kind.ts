import { SocketKind } from '../../bpf/wire.ts';

const KINDS: ReadonlyMap<number, keyof typeof SocketKind> = new Map(
  Object.entries(SocketKind).map(([name, kind]) => [kind, name as keyof typeof SocketKind]),
);

/** The kind of a socket that was opened, by the number in the place of its port; `other` for one that is not known. */
export function socketKindOf(port: number): keyof typeof SocketKind {
  return KINDS.get(port) ?? 'other';
}
