import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { folder, run, succeeded } from '../e2e/guest.ts';

/** Servers that speak UDP, as Debian has them, each with a client; they keep their files in a folder of their own. */
const place = folder();

/** The guest's address, by which clients reach what listens everywhere. */
const HOME = '10.0.0.2';
const DOCUMENT = 'the document';

/** Puts the servers where their packages would. */
export function installServers(): void {
  const tree = succeeded(run('test/vm/fetch-servers')).stdout.trim();
  succeeded(run('cp', '-a', `${tree}/.`, '/'));
  writeFileSync(join(place, 'unbound.conf'), UNBOUND);
  writeFileSync(join(place, 'chrony.conf'), CHRONY);
  if (run('id', 'systemd-resolve').status !== 0)
    succeeded(run('useradd', '--system', '--no-create-home', 'systemd-resolve'));
  for (const path of ['/etc/systemd', '/run/systemd']) mkdirSync(path, { recursive: true });
  writeFileSync('/etc/systemd/resolved.conf', RESOLVED);
  mkdirSync(join(place, 'files'));
  writeFileSync(join(place, 'files/document'), DOCUMENT);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const files = ['-keyout', join(place, 'key.pem'), '-out', join(place, 'cert.pem')];
  succeeded(run('openssl', 'req', '-x509', ...key, ...files, '-subj', '/CN=localhost', '-days', '9'));
}

const UNBOUND = `server:
  interface: 0.0.0.0@5311
  interface: ::0@5311
  access-control: 0.0.0.0/0 allow
  access-control: ::0/0 allow
  do-daemonize: no
  username: ""
  chroot: ""
  pidfile: ""
  directory: "${place}"
  use-syslog: no
  module-config: "iterator"
  local-zone: "example." static
  local-data: "www.example. A 10.1.2.3"
remote-control:
  control-enable: no
`;

const CHRONY = `local stratum 8
allow
port 11123
cmdport 0
bindcmdaddress /
pidfile ${join(place, 'chronyd.pid')}
`;

/** Its stub at 127.0.0.53 has port 53; the other one is for clients that ask an address of the host. */
const RESOLVED = `[Resolve]
DNS=127.0.0.1:5311
FallbackDNS=
Domains=~.
DNSSEC=no
LLMNR=no
MulticastDNS=no
Cache=no
DNSStubListenerExtra=${HOME}:5312
`;

/** dnsmasq and systemd-resolved ask unbound. */
const SERVERS = [
  ['unbound', '-d', '-c', join(place, 'unbound.conf')],
  [
    'dnsmasq',
    '--keep-in-foreground',
    '--conf-file=/dev/null',
    '--port=5310',
    '--no-resolv',
    '--no-hosts',
    '--server=127.0.0.1#5311',
    '--user=root',
    '--pid-file',
    '--cache-size=0',
  ],
  ['/usr/lib/systemd/systemd-resolved'],
  ['chronyd', '-d', '-x', '-u', 'root', '-f', join(place, 'chrony.conf')],
  [
    'in.tftpd',
    '--foreground',
    '--address',
    '0.0.0.0:6969',
    '--secure',
    '--user',
    'root',
    join(place, 'files'),
  ],
  [
    'gtlsserver',
    '-q',
    '-d',
    join(place, 'files'),
    '*',
    '4433',
    join(place, 'key.pem'),
    join(place, 'cert.pem'),
  ],
] as const;

/** Asks each DNS server that is named for www.example, and prints the answers. */
const LOOK_UP = `
import socket, struct, sys
query = struct.pack('!HHHHHH', 7, 0x100, 1, 0, 0, 0) + b'\\3www\\7example\\0' + struct.pack('!HH', 1, 1)
for server in sys.argv[1:]:
    address, port = server.split('#')
    s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(20)
    s.sendto(query, (address, int(port)))
    try:
        print(server, socket.inet_ntoa(s.recv(512)[-4:]))
    except OSError as error:
        print(server, error)`;

/** Reads a file of one block by TFTP, from a port of its own. */
const FETCH = `
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('0.0.0.0', int(sys.argv[2])))
s.settimeout(float(sys.argv[3]))
s.sendto(struct.pack('!H', 1) + b'document\\0octet\\0', (sys.argv[1], 6969))
data, server = s.recvfrom(600)
s.sendto(struct.pack('!HH', 4, 1), server)
print(data[4:].decode())`;

/** Without the modules of the site, which take Python longer to load than a look-up lasts. */
const PYTHON = ['/usr/bin/python3', '-I', '-S', '-c'] as const;

/** dnsmasq and unbound, by both families, and the two stubs of systemd-resolved. */
const NAME_SERVERS = [
  `${HOME}#5310`,
  '::1#5310',
  '127.0.0.1#5311',
  'fd00::2#5311',
  '127.0.0.53#53',
  `${HOME}#5312`,
];

/** Whether tftpd answers a client that has this port, within so many seconds. */
export function fetchesByTftp(port: number, seconds: number): boolean {
  return run(...PYTHON, FETCH, HOME, String(port), String(seconds)).stdout === `${DOCUMENT}\n`;
}

function asksTime(): boolean {
  const source = `server ${HOME} port 11123 iburst maxsamples 1`;
  return run('chronyd', '-Q', '-t', '20', '-u', 'root', '-f', '/dev/null', source).status === 0;
}

function fetchesByQuic(address: string): boolean {
  const target = folder();
  const options = ['-q', '--exit-on-all-streams-close', '--timeout=30s', '--download', target];
  run('gtlsclient', ...options, address, '4433', 'https://localhost/document');
  return run('cat', join(target, 'document')).stdout === DOCUMENT;
}

/** What the clients get. */
export function answers(): Record<string, unknown> {
  return {
    names: run(...PYTHON, LOOK_UP, ...NAME_SERVERS).stdout.split('\n'),
    time: asksTime(),
    'QUIC over IPv4': fetchesByQuic(HOME),
    'QUIC over IPv6': fetchesByQuic('::1'),
  };
}

/** What they get where all works. */
export const ANSWERS = {
  names: [...NAME_SERVERS.map((server) => `${server} 10.1.2.3`), ''],
  time: true,
  'QUIC over IPv4': true,
  'QUIC over IPv6': true,
};

/** The servers, running. */
export class Servers implements AsyncDisposable {
  readonly #processes: ChildProcess[] = [];

  /** Resolves when all of them listen. */
  static async start(): Promise<Servers> {
    const servers = new Servers();
    const output = openSync(join(place, 'output'), 'a');
    for (const [program, ...words] of SERVERS)
      servers.#processes.push(spawn(program, words, { stdio: ['ignore', output, output] }));
    while (!PORTS.every(isBound)) {
      const ended = servers.#processes.find(({ exitCode }) => exitCode !== null);
      if (ended) throw new Error(`${ended.spawnfile} ended with ${ended.exitCode}\n${said()}`);
      await wait(100);
    }
    return servers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#processes
        .filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
        .map((process) => {
          process.kill('SIGTERM');
          return once(process, 'exit');
        }),
    );
  }
}

/** The UDP ports of the servers. */
const PORTS = [5310, 5311, 5312, 53, 11123, 6969, 4433];

function isBound(port: number): boolean {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')} `;
  return ['/proc/net/udp', '/proc/net/udp6'].some((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .some((line) => line.slice(0, 50).includes(local)),
  );
}

/** What the servers have said. */
export function said(): string {
  return run('cat', join(place, 'output')).stdout;
}
