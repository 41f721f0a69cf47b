/** What podman is asked to run. */

/** A shell command that fetches from each of the addresses and prints those that answered. */
export function fetchFrom(...addresses: string[]): string {
  return addresses
    .map((address) => `busybox wget -q -O /dev/null http://${address}/ && echo ${address}`)
    .join('; ');
}

/** Options of a container that leaves nothing and has the host's network. */
export const ROOM = ['--rm', '--network', 'host'];
