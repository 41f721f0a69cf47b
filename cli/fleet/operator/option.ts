import { homedir } from 'node:os';
import { join } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';

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

/** A share of the whole, 0 to 1. */
export function readShare(text: string): number {
  const share = Number(text);
  if (text.trim() !== '' && share >= 0 && share <= 1) return share;
  throw new InvalidArgumentError('It must be a number from 0 to 1.');
}
