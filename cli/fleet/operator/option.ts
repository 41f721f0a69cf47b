import { homedir } from 'node:os';
import { join } from 'node:path';
import { Option } from 'commander';

/** `--operator DIRECTORY`, with its default. */
export function operatorOption(): Option {
  const own = join(homedir(), '.config/bouheki/operator');
  return new Option(
    '--operator <directory>',
    'where the certificate of the operator and the addresses of hubs are',
  )
    .env('BOUHEKI_OPERATOR')
    .default(process.getuid?.() === 0 ? '/etc/bouheki/operator' : own);
}
