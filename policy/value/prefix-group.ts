import { parsePrefix, type Prefix } from './cidr.ts';
import { PUBLIC } from './public-address.ts';

/**
 * Names that may stand in any list of CIDRs. `metadata` holds the addresses from which cloud machines get
 * their credentials: AWS, Azure, Google, Oracle and DigitalOcean share the first; ECS and EKS tasks, Alibaba
 * and the IPv6 addresses of AWS and Google follow. `public` holds the addresses that anybody may have.
 */
const GROUPS = {
  loopback: ['127.0.0.0/8', '::1/128'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
  'link-local': ['169.254.0.0/16', 'fe80::/10'],
  multicast: ['224.0.0.0/4', 'ff00::/8'],
  broadcast: ['255.255.255.255/32'],
  metadata: [
    '169.254.169.254/32',
    '169.254.170.2/32',
    '169.254.170.23/32',
    '100.100.100.200/32',
    'fd00:ec2::254/128',
    'fd00:ec2::23/128',
    'fd20:ce::254/128',
  ],
};

const EXPANDED: ReadonlyMap<string, readonly Prefix[]> = new Map([
  ...Object.entries(GROUPS).map(([name, texts]) => [name, texts.map((text) => parsePrefix(text)!)] as const),
  ['public', PUBLIC],
]);

/** The names, in the order of the documentation. */
export const PREFIX_GROUPS: readonly string[] = [...EXPANDED.keys()];

/** The prefixes of a named group; undefined when there is no such group. */
export function prefixGroup(name: string): readonly Prefix[] | undefined {
  return EXPANDED.get(name);
}
