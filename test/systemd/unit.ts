import { chmodSync, copyFileSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Running } from '../e2e/bouheki.ts';
import { cgroup, type Ended, inCgroup, run, succeeded } from '../e2e/guest.ts';

// PID 1 is what these tests are about.
if (readFileSync('/proc/1/comm', 'utf8') !== 'systemd\n')
  throw new Error('only inside test/vm/run --systemd: node dist/test/run.js systemd');

/** The program that connects: static, so that it runs in any root. */
export const BUSYBOX = realpathSync(succeeded(run('which', 'busybox')).stdout.trim());

/** What services with a /tmp of their own see too. */
const PLACE = '/run/test';

export interface Service {
  /** Lines of the section [Service]. */
  settings?: readonly string[];
  /** What `systemctl` is run with: as which user, and which manager it asks. */
  systemctl?: readonly string[];
  /** Where that manager looks for units. */
  units?: string;
}

/** Writes a unit that needs none of what systemd starts at boot, for it was not started. */
export function writeUnit(name: string, service: readonly string[], units = '/run/systemd/system'): void {
  mkdirSync(units, { recursive: true });
  const lines = ['[Unit]', 'DefaultDependencies=no', '[Service]', ...service, ''];
  writeFileSync(join(units, name), lines.join('\n'));
}

/** Runs a shell script as a service, to its end. Returns what it printed. */
export function runService(name: string, script: string, service: Service = {}): string {
  const { settings = [], systemctl = ['systemctl'], units } = service;
  mkdirSync(PLACE, { recursive: true });
  const file = join(PLACE, `${name}.sh`);
  const [out, errors] = [join(PLACE, `${name}.out`), join(PLACE, `${name}.err`)];
  writeFileSync(file, script);
  // The manager opens them, as the user that it runs as.
  for (const path of [out, errors]) {
    writeFileSync(path, '');
    chmodSync(path, 0o666);
  }
  const output = [`StandardOutput=append:${out}`, `StandardError=append:${errors}`];
  writeUnit(`${name}.service`, ['Type=oneshot', ...settings, ...output, `ExecStart=/bin/sh ${file}`], units);
  succeeded(run(...systemctl, 'daemon-reload'));
  const { status, stderr } = run(...systemctl, 'start', name);
  if (status !== 0) throw new Error(`${name}.service failed\n${stderr}${readFileSync(errors, 'utf8')}`);
  return readFileSync(out, 'utf8');
}

/** Shell commands that fetch from each address by a wget of busybox, and print the addresses that answered. */
export function fetchFrom(addresses: readonly string[], busybox = 'busybox'): string {
  const attempt = (address: string) =>
    `if ${busybox} wget -q -O /dev/null http://${address}/ 2>/dev/null; then echo ${address}; fi`;
  return addresses.map(attempt).join('; ');
}

/** Runs a shell script as a container of no runtime that has a name: mounts, pids and a cgroup of its own. */
export function runStrange(script: string): Ended {
  return inCgroup(cgroup('/strange/box'), 'unshare', '--mount', '--pid', '--fork', 'sh', '-c', script);
}

/** Makes a root file system of busybox. */
export function makeRoot(root: string): void {
  for (const name of ['bin', 'dev', 'etc', 'proc', 'run', 'sys', 'tmp', 'usr'])
    mkdirSync(join(root, name), { recursive: true });
  writeFileSync(join(root, 'etc/os-release'), 'ID=test\n');
  copyFileSync(BUSYBOX, join(root, 'bin/busybox'));
  succeeded(run('chroot', root, '/bin/busybox', '--install', '-s', '/bin'));
}

/** Writes a policy that blocks, with a rule for each `from` and address or prefix. */
export function writePolicy(
  file: string,
  rules: readonly (readonly [from: string, to: string])[],
  target = 'host',
): void {
  const lines = rules.map(([from, to]) => `    - { from: { ${from} }, to: [{ cidr: [${to}] }] }`);
  const head = ['version: 2', 'network:', '  mode: block', `  target: ${target}`, '  allow:'];
  writeFileSync(file, `${[...head, ...lines].join('\n')}\n`, { mode: 0o600 });
}

/** Has the policy read again, and waits until it is in force. */
export async function reload(enforce: Running): Promise<void> {
  const before = enforce.stderr.length;
  enforce.signal('SIGHUP');
  await enforce.until(/^Blocking by /m, before);
}
