import { parseEnd } from '../../format/moment.ts';

/** When rules of policies end. */
export const ENDS: readonly string[] = ['2001-01-01', '2026-06-30T12:00:00Z', '2499-12-31T23:59:59.5+01:00'];

/** When connections are made, microseconds since the epoch: before the first of those, and at each. */
export const MOMENTS: readonly number[] = [0, ...ENDS.map((end) => parseEnd(end)!)];

/** Where a process runs, as far as the daemon knows it. */
export interface Place {
  /** Path in the cgroup v2 hierarchy. */
  cgroup: string;
  container?: string;
  image?: string;
  unit?: string;
  inContainer: boolean;
}

/** The values that random policies and flows are made of: few, so that they meet often. All text is as in a policy. */
export interface World {
  /** What processes call themselves. */
  commands: readonly string[];
  /** `commands` entries of policies; globs only where version 2 accepts them. */
  commandPatterns: readonly string[];
  /** Executables that exist. */
  exes: readonly string[];
  /** `exe` entries of policies. */
  exePatterns: readonly string[];
  /** `script` entries of policies. */
  scriptPatterns: readonly string[];
  /** Scripts that an interpreter may run; it is always the same executable in this world. */
  scripts: readonly string[];
  ids: readonly number[];
  /** Names of users, and of groups: what policies name. */
  accounts: readonly string[];
  /** What they mean, by name: ids may have several, or none. */
  idsOfAccounts: ReadonlyMap<string, number>;
  places: readonly Place[];
  containerPatterns: readonly string[];
  imagePatterns: readonly string[];
  unitPatterns: readonly string[];
  cgroupPatterns: readonly string[];
  /** `host` entries of policies: names and labels. */
  hosts: readonly string[];
  addresses: readonly string[];
  cidrs: readonly string[];
  /** DNS names that addresses are known by. */
  names: readonly string[];
  /** `name` entries of policies. */
  namePatterns: readonly string[];
  ports: readonly number[];
  portEntries: readonly (number | string)[];
  protocols: readonly number[];
  protocolEntries: readonly (number | string)[];
}

const words = (text: string) => text.trim().split(/\s+/);

/**
 * A world with an example of everything that is distinguished, and of what looks alike: cut names, hard links,
 * mapped addresses.
 */
export const WORLD: World = {
  commands: words('a ab abc b curl a-very-long-command a-very-long-com ääääääää ä'),
  commandPatterns: words(`
    a ab b curl a-very-long-command a-very-long-comXYZ ääääääää
    * a* ab* cu* ä* äääääääää* a-very-long-comma* a-very-long-commu*`),
  exes: words('/usr/bin/curl /usr/bin/perl /usr/bin/perl5.36.0 /usr/bin/python3'),
  exePatterns: words(
    '/usr/bin/curl /usr/bin/perl /usr/bin/perl5.36.0 /usr/bin/python3 /usr/bin/p* /usr/*/*5* /*/curl /usr/*',
  ),
  scripts: words('/opt/a.py /opt/b.py'),
  scriptPatterns: words('/opt/a.py /opt/b.py /opt/*.py /*/b.py /opt/a*b'),
  ids: [0, 1, 1000, 4_294_967_295],
  accounts: words('root toor ada nobody'),
  idsOfAccounts: new Map([
    ['root', 0],
    ['toor', 0],
    ['daemon', 1],
    ['ada', 1000],
  ]),
  places: [
    { cgroup: '/', inContainer: false },
    { cgroup: '/system.slice/ssh.service', unit: 'ssh.service', inContainer: false },
    { cgroup: '/system.slice/cron.service', unit: 'cron.service', inContainer: false },
    { cgroup: '/machine.slice/one', container: 'web-1', image: 'docker.io/nginx:1', inContainer: true },
    { cgroup: '/machine.slice/two', container: 'web-2', image: 'docker.io/redis:7', inContainer: true },
    { cgroup: '/machine.slice/new', inContainer: true },
  ],
  containerPatterns: words('web-1 web-* *-2 * db'),
  imagePatterns: words('docker.io/nginx:1 docker.io/* *redis*'),
  unitPatterns: words('ssh.service *.service c*.service'),
  cgroupPatterns: words('/ /system.slice/* /*/two /machine.slice/one /*'),
  hosts: words('web-1 web-2 role=web zone=a'),
  addresses: words(`
    0.0.0.0 0.0.0.1 10.0.0.0 10.0.0.1 10.0.0.255 10.0.1.0 10.255.255.255 127.0.0.1 127.255.255.255 128.0.0.0
    169.254.169.254 203.0.113.7 1.1.1.1 8.8.8.8 255.255.255.255 :: ::1 fd00:: fd00::1 fd00::ff fd01:: 2001:db8::1 2001:db8:0:1:: 2a00::1 64:ff9b::101:101 64:ff9b::a00:1
    ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ::ffff:10.0.0.1`),
  cidrs: words(`
    0.0.0.0/0 10.0.0.0/8 10.0.0.0/24 10.0.0.0/31 10.0.0.1 10.0.0.255/32 10.0.1.0/24 127.0.0.0/8 128.0.0.0/1
    169.254.169.254 203.0.113.0/24 255.255.255.255/32 ::/0 ::1 fd00::/8 fd00::/127 fd00::1 2001:db8::/32
    2001:db8::/64 ff00::/8 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ::ffff:10.0.0.0/104 loopback private metadata
    public 1.0.0.0/8 2a00::/16`),
  names: words('a.example b.a.example c.b.a.example example xa.example b.example'),
  namePatterns: words(
    'a.example *.a.example *.example * b.a.example A.Example. *.b.a.example example c.example',
  ),
  ports: [0, 1, 22, 80, 443, 8000, 8005, 65_534, 65_535],
  portEntries: [0, 22, 80, 443, '8000-8010', '80-443', '0-65535', '65535-65535', '1-22'],
  protocols: [1, 6, 6, 6, 6, 17, 17, 33, 58, 132, 136, 255],
  protocolEntries: ['tcp', 'tcp', 'udp', 'icmp', 'icmpv6', 'sctp', 33, 136, 255, 0],
};

/** The same without DNS names. */
export const NAMELESS: World = { ...WORLD, names: [], namePatterns: [] };

/** A world in which little but the names of a destination decides. */
export const NAMING: World = {
  ...WORLD,
  commands: ['curl'],
  commandPatterns: words('curl *'),
  ids: [0],
  places: WORLD.places.slice(0, 1),
  hosts: [],
  addresses: words('1.1.1.1 8.8.8.8 10.0.0.5 2a00::1 64:ff9b::101:101'),
  cidrs: words('public 1.0.0.0/8 10.0.0.0/8 2a00::/16'),
  ports: [443],
  portEntries: [443],
  protocols: [6],
  protocolEntries: ['tcp'],
};
