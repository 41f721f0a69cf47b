import { parsePrefix, type Prefix } from '../../policy/value/cidr.ts';
import { prefixGroup } from '../../policy/value/prefix-group.ts';

/**
 * Ranges with a purpose of their own (IANA special-purpose address registries). An address of one says
 * nothing about its neighbours outside, so no generalised prefix crosses the edge of one. Metadata addresses
 * are ranges of one.
 */
export const ZONES: readonly Prefix[] = [
  ...[
    '0.0.0.0/8',
    '10.0.0.0/8',
    '100.64.0.0/10',
    '127.0.0.0/8',
    '169.254.0.0/16',
    '172.16.0.0/12',
    '192.0.0.0/24',
    '192.168.0.0/16',
    '198.18.0.0/15',
    '224.0.0.0/4',
    '240.0.0.0/4',
    '255.255.255.255/32',
    '::1/128',
    '64:ff9b::/96',
    'fc00::/7',
    'fe80::/10',
    'ff00::/8',
  ].map((text) => parsePrefix(text)!),
  ...prefixGroup('metadata')!,
];
