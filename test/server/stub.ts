import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { folder, run, succeeded } from '../e2e/guest.ts';

/** What answers programs of this host in the place of a resolver elsewhere, as Debian has it. */
const place = folder();

const RESOLV_CONF = '/etc/resolv.conf';
const NSSWITCH = '/etc/nsswitch.conf';

/** The resolver elsewhere: of the namespace that stands for the internet. */
const FAR = '10.0.0.1';

const UNBOUND = `server:
  interface: 127.0.0.1
  do-daemonize: no
  username: ""
  chroot: ""
  pidfile: ""
  directory: "${place}"
  use-syslog: no
  module-config: "iterator"
  do-not-query-localhost: no
  local-zone: "test." nodefault
forward-zone:
  name: "."
  forward-addr: ${FAR}
remote-control:
  control-enable: no
`;

const RESOLVED = `[Resolve]
DNS=${FAR}
FallbackDNS=
Domains=~.
DNSSEC=no
LLMNR=no
MulticastDNS=no
`;

const NSCD = `enable-cache hosts yes
enable-cache passwd no
enable-cache group no
enable-cache services no
enable-cache netgroup no
positive-time-to-live hosts 5
persistent hosts no
shared hosts no
`;

/** A system bus on which everybody may do everything, for resolvectl. */
const BUS = `<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/><allow user="*"/>
  </policy>
</busconfig>
`;

const DNSMASQ = [
  'dnsmasq',
  '--keep-in-foreground',
  '--conf-file=/dev/null',
  '--listen-address=127.0.0.1',
  '--bind-interfaces',
  '--no-resolv',
  '--no-hosts',
  `--server=${FAR}`,
  '--user=root',
  `--pid-file=${place}/dnsmasq.pid`,
];
const STUB = ['/usr/lib/systemd/systemd-resolved'];
const DBUS = ['dbus-daemon', '--nofork', '--nopidfile', `--config-file=${place}/bus.conf`];

/** A way in which programs look names up. */
interface Way {
  /** What resolv.conf says. */
  resolver: string;
  /** What nsswitch.conf says. */
  hosts: string;
  programs: readonly (readonly string[])[];
}

export const WITH_BUS = 'nss-resolve and a bus';

export const WAYS: Readonly<Record<string, Way>> = {
  'no stub': { resolver: FAR, hosts: 'files dns', programs: [] },
  dnsmasq: { resolver: '127.0.0.1', hosts: 'files dns', programs: [DNSMASQ] },
  unbound: {
    resolver: '127.0.0.1',
    hosts: 'files dns',
    programs: [['unbound', '-d', '-c', join(place, 'unbound.conf')]],
  },
  'systemd-resolved': { resolver: '127.0.0.53', hosts: 'files dns', programs: [STUB] },
  'nss-resolve': { resolver: '127.0.0.53', hosts: 'files resolve', programs: [STUB] },
  [WITH_BUS]: { resolver: '127.0.0.53', hosts: 'files resolve', programs: [DBUS, STUB] },
  nscd: {
    resolver: '127.0.0.1',
    hosts: 'files dns',
    programs: [DNSMASQ, ['nscd', '-F', '-f', join(place, 'nscd.conf')]],
  },
};

/** Puts them where their packages would. */
export function installStubs(): void {
  const tree = succeeded(run('test/vm/fetch-servers')).stdout.trim();
  succeeded(run('cp', '-a', `${tree}/.`, '/'));
  if (run('id', 'systemd-resolve').status !== 0)
    succeeded(run('useradd', '--system', '--no-create-home', 'systemd-resolve'));
  for (const path of ['/etc/systemd', '/run/systemd', '/run/nscd', '/run/dbus'])
    mkdirSync(path, { recursive: true });
  writeFileSync('/etc/systemd/resolved.conf', RESOLVED);
  writeFileSync(join(place, 'unbound.conf'), UNBOUND);
  writeFileSync(join(place, 'nscd.conf'), NSCD);
  writeFileSync(join(place, 'bus.conf'), BUS);
}

/** One way, until it is disposed of. */
export class Stub implements AsyncDisposable {
  readonly #processes: ChildProcess[];
  readonly #files: ReadonlyMap<string, string>;

  private constructor(processes: ChildProcess[], files: ReadonlyMap<string, string>) {
    this.#processes = processes;
    this.#files = files;
  }

  /** Resolves when a name is found. */
  static async start(way: string, name: string): Promise<Stub> {
    const { hosts, programs, resolver } = WAYS[way]!;
    const files = new Map([RESOLV_CONF, NSSWITCH].map((path) => [path, readFileSync(path, 'utf8')]));
    writeFileSync(RESOLV_CONF, `nameserver ${resolver}\noptions timeout:5\n`);
    writeFileSync(NSSWITCH, files.get(NSSWITCH)!.replace(/^hosts:.*/m, `hosts: ${hosts}`));
    const output = openSync(join(place, 'output'), 'a');
    const started = new Stub(
      programs.map(([program, ...words]) => spawn(program!, words, { stdio: ['ignore', output, output] })),
      files,
    );
    for (let tries = 0; run('getent', 'ahostsv4', name).status !== 0; tries += 1) {
      const ended = started.#processes.find(({ exitCode }) => exitCode !== null);
      if (ended || tries === 100) {
        await started[Symbol.asyncDispose]();
        throw new Error(`${way}: ${run('tail', join(place, 'output')).stdout}`);
      }
      await wait(200);
    }
    return started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [path, text] of this.#files) writeFileSync(path, text);
    const running = this.#processes.filter(
      ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
    );
    await Promise.all(
      running.map((process) => {
        process.kill('SIGTERM');
        return once(process, 'exit');
      }),
    );
  }
}
