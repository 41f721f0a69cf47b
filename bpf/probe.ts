import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { libbpf } from './libbpf.ts';

const BPF_MAP_TYPE_TASK_STORAGE = 29;

/** Whether the kernel has task storage (5.11) and so everything that the plain BPF object needs. */
export function hasTaskStorage(): boolean {
  return libbpf().libbpf_probe_bpf_map_type(BPF_MAP_TYPE_TASK_STORAGE, null) === 1;
}

const BPF_TRACE_FENTRY = 24;

/**
 * Whether `sendfile()` and `splice()` on a UDP socket ask no hook of sockets, as before Linux 6.5.
 */
export function sendsPagesUnasked(): boolean {
  return libbpf().libbpf_find_vmlinux_btf_id('udp_sendpage', BPF_TRACE_FENTRY) > 0;
}

const LSM_LIST = '/sys/kernel/security/lsm';

/** The security modules that are active, in order. Undefined when the list can't be read. */
export function activeLsms(): string[] | undefined {
  if (!existsSync(LSM_LIST)) return undefined;
  return readFileSync(LSM_LIST, 'utf8').trim().split(',');
}

/** The boot parameter that adds bpf to the active modules. */
export function lsmParameter(active: string[] | undefined): string {
  return `lsm=${[...(active ?? ['landlock', 'lockdown', 'yama', 'apparmor']).filter((name) => name !== 'capability'), 'bpf'].join(',')}`;
}

const CAPABILITIES: ReadonlyArray<[name: string, bit: number]> = [
  ['CAP_BPF', 39],
  ['CAP_PERFMON', 38],
];
const CAP_SYS_ADMIN = 21;

/** Names of the capabilities that loading needs and this process doesn't have. */
export function missingCapabilities(): string[] {
  const line = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  const held = BigInt(`0x${line?.[1] ?? '0'}`);
  if (held & (1n << BigInt(CAP_SYS_ADMIN))) return [];
  return CAPABILITIES.filter(([, bit]) => !(held & (1n << BigInt(bit)))).map(([name]) => name);
}

/** Whether the kernel has the layout of its own structs, which CO-RE needs. */
export function hasBtf(): boolean {
  return existsSync('/sys/kernel/btf/vmlinux');
}

/**
 * `none`, `integrity` or `confidentiality`; undefined when the kernel has no lockdown or does not report it.
 */
export function lockdown(): string | undefined {
  try {
    return /\[(\w+)\]/.exec(readFileSync('/sys/kernel/security/lockdown', 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}

/** Release of the running kernel as [major, minor]. */
export function kernelVersion(): [number, number] {
  const [major, minor] = release().split('.').map(Number);
  return [major ?? 0, minor ?? 0];
}
