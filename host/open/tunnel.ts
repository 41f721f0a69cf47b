import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A network device that puts packets into others, or hands them to a program. */
export interface TunnelDevice {
  name: string;
  /** `tun`, `tap`, `wireguard`, `ipip`, `gre`, `vxlan` and the like. */
  kind: string;
  up: boolean;
}

/** Kinds of the kernel's DEVTYPE that are tunnels. */
const TYPES = new Set([
  'wireguard',
  'vxlan',
  'geneve',
  'bareudp',
  'gtp',
  'ppp',
  'ovpn',
  'amt',
  'gretap',
  'erspan',
]);

/** Tunnels by the type of their link layer (include/uapi/linux/if_arp.h). */
const LINKS: ReadonlyMap<number, string> = new Map([
  [256, 'slip'],
  [512, 'ppp'],
  [768, 'ipip'],
  [769, 'ip6tnl'],
  [776, 'sit'],
  [778, 'gre'],
  [823, 'ip6gre'],
]);
const ETHERNET = 1;
/** Of `flags` of a device (include/uapi/linux/if.h), and of `tun_flags`. */
const UP = 1;
const TAP = 2;

/** The tunnel devices of our own network namespace, by name. `root`: where the devices are listed. */
export function findTunnels(root = '/sys/class/net'): TunnelDevice[] {
  return namesIn(root)
    .toSorted()
    .flatMap((name) => {
      const directory = join(root, name);
      const kind = kindOf(directory);
      if (kind === undefined) return [];
      return [{ name, kind, up: (numberIn(directory, 'flags') & UP) !== 0 }];
    });
}

function kindOf(directory: string): string | undefined {
  const tun = textIn(directory, 'tun_flags');
  if (tun !== '') return (Number(tun) & TAP) === 0 ? 'tun' : 'tap';
  const type = /^DEVTYPE=(.+)$/m.exec(textIn(directory, 'uevent'))?.[1];
  if (type !== undefined) return TYPES.has(type) ? type : undefined;
  const link = numberIn(directory, 'type');
  // A tunnel for frames says so in nothing else: of its own accord it is above no device.
  if (link === ETHERNET) return textIn(directory, 'iflink') === '0' ? 'gretap or the like' : undefined;
  return LINKS.get(link);
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** `0x1003` or `1`. */
function numberIn(directory: string, file: string): number {
  return Number(textIn(directory, file) || Number.NaN);
}

function textIn(directory: string, file: string): string {
  try {
    return readFileSync(join(directory, file), 'utf8').trim();
  } catch {
    return '';
  }
}
