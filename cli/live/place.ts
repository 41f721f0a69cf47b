import { basename } from 'node:path';
import { observedDestination, destinationAddress } from '../../generator/destination/destination.ts';
import { formatAddress } from '../../policy/value/address.ts';
import type { Followed } from '../../profiler/follow/follow.ts';

/** Who is told of in one line, and by what it is told apart from others. */
export function whoText({ subject, user }: Pick<Followed, 'subject' | 'user'>, paths: boolean): string {
  const { command, container, exe, image, inContainer, script, uid } = subject;
  const program = script ?? exe;
  const name = program === undefined ? command : paths ? program : basename(program);
  // In a container the names of this host belong to other users.
  const owner = inContainer ? `uid ${uid}` : (user ?? `uid ${uid}`);
  const within = inContainer ? ` in ${container ?? image ?? 'a container'}` : '';
  return `${name === '' ? 'unknown' : name} (${owner}${within})`;
}

/** `example.com:443/tcp (192.0.2.1)`, `192.0.2.1:443/tcp`, `raw socket`. */
export function whereText({ destination, names }: Pick<Followed, 'destination' | 'names'>): string {
  const [name] = names;
  if (name === undefined || destination.socket !== undefined) return observedDestination(destination);
  const address = formatAddress(destinationAddress(destination));
  return `${observedDestination({ ...destination, name })} (${address})`;
}
