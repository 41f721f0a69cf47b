import { Option } from 'commander';

/** `--dir DIRECTORY` of a host that has joined, with its default. */
export function directoryOption(): Option {
  return new Option('--dir <directory>', 'where the identity of this host is kept').default(
    '/var/lib/bouheki/fleet',
  );
}
