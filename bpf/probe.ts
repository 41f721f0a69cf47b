import type { BpfObject } from './object.ts';
import { existsSync, readFileSync } from 'node:fs';
import { release, version } from 'node:os';
import { cgroupRoot } from '../host/cgroup-root.ts';
import { hostMountNamespace, visibleNamespace } from '../host/namespace.ts';
import type { ObjectFile } from './object.ts';
import { libbpf } from './libbpf.ts';
import type { HostNamespaces } from './share.ts';

/**
 * How the kernel side is attached: to the host's security hooks, to the functions that call them, or to one
 * cgroup (its directory).
 */
export type Attachment = { backend: 'lsm' | 'fmod_ret' } | { backend: 'cgroup'; cgroup: string };
export type Backend = Attachment['backend'];

/** What programs of the cgroup kind are not shown, in words. */
export const UNSEEN_BY_CGROUP =
  'sockets of other families than IP, where SCTP and DCCP go, and sends on TCP connections that were made before';

/** What programs of the kind `fmod_ret` can't tell, in words. */
export const UNSEEN_BY_FMOD_RET =
  'what another security module refuses is recorded too, as it is asked later';

/** The programs that are attached, in this order. Identity hooks first, so that nothing that connects goes unidentified. */
export const HOOKS = [
  'committed_creds',
  'task_prctl',
  'process_fork',
  'process_free',
  'task_rename',
  'cgroup_mkdir',
  'cgroup_rmdir',
  'cgroup_attach_task',
  'socket_create',
  'socket_post_create',
  'sock_graft',
  'socket_setsockopt',
  'sctp_bind_connect',
  'udp_received',
  'socket_connect',
  'socket_sendmsg',
];

/** The second judge: programs of a cgroup, which the kernel never leaves out. The one for packets comes last. */
export const SECOND_HOOKS = [
  'second_create',
  'second_connect4',
  'second_connect6',
  'second_sendmsg4',
  'second_sendmsg6',
  'second_packet',
];

/** On the backend for one cgroup: those that follow what processes run, anywhere. */
export const CGROUP_FOLLOWERS = ['executed', 'process_fork', 'process_free'];

/** On that backend: those of the cgroup. */
export const CGROUP_HOOKS = [
  'received',
  'created',
  'option_set',
  'sent',
  'connect4',
  'connect6',
  'sendmsg4',
  'sendmsg6',
];

/**
 * The objects for a backend, the best first. Those of `fmod_ret` may use task storage from Linux 5.13 on. `second`:
 * with a second judge, whose programs cannot use it.
 */
export function objectsFor(backend: Backend, second = false): ObjectFile[] {
  const modern = backend !== 'cgroup' && !second && hasTaskStorage();
  switch (backend) {
    case 'lsm':
      return [{ file: modern ? 'egress' : 'egress-legacy', modern }];
    case 'fmod_ret': {
      const legacy = { file: 'egress-fmod-legacy', modern: false };
      return modern ? [{ file: 'egress-fmod', modern }, legacy] : [legacy];
    }
    case 'cgroup':
      return [{ file: 'egress-cgroup', modern }];
  }
}

const BPF_MAP_TYPE_TASK_STORAGE = 29;

/** Whether the kernel has task storage (5.11) and so everything that the plain BPF object needs. */
export function hasTaskStorage(): boolean {
  return libbpf().libbpf_probe_bpf_map_type(BPF_MAP_TYPE_TASK_STORAGE, null) === 1;
}

const BPF_TRACE_FENTRY = 24;
const BPF_MODIFY_RETURN = 26;

/**
 * Whether `sendfile()` and `splice()` on a UDP socket ask no hook of sockets, as before Linux 6.5.
 */
function sendsPagesUnasked(): boolean {
  return libbpf().libbpf_find_vmlinux_btf_id('udp_sendpage', BPF_TRACE_FENTRY) > 0;
}

/** Whether the hook of files is to be attached once a policy blocks. */
export function needsPages(object: Pick<BpfObject, 'has'>, blocks: boolean): boolean {
  return blocks && object.has('socket_pages') && sendsPagesUnasked();
}

/** What is known of how a kernel preempts tasks that are in it. */
export interface PreemptionFacts {
  /** What `uname -v` prints: `#1 SMP PREEMPT_DYNAMIC Debian ...`. */
  version: string;
  /** The mode among its alternatives, as debugfs shows it: `none voluntary (full)`. */
  modes?: string | undefined;
  /** How it was booted. */
  commandLine?: string | undefined;
  /** How it was built. */
  config?: string | undefined;
}

/**
 * Whether a task can be preempted inside the kernel: by `preempt=full` or `lazy`, or in a real-time kernel. Where that
 * is not known it counts as possible.
 */
export function isPreemptible({ commandLine, config, modes, version: text }: PreemptionFacts): boolean {
  if (!/\bPREEMPT/.test(text)) return false;
  if (!/\bPREEMPT_DYNAMIC\b/.test(text)) return true;
  const mode = /\((\w+)\)/.exec(modes ?? '')?.[1] ?? /(?:^|\s)preempt=(\w+)/.exec(commandLine ?? '')?.[1];
  if (mode !== undefined) return mode !== 'none' && mode !== 'voluntary';
  return !/^CONFIG_PREEMPT_(?:NONE|VOLUNTARY)=y$/m.test(config ?? '');
}

/** The text of a file; undefined where it can't be read. */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function canPreempt(): boolean {
  return isPreemptible({
    version: version(),
    modes: textOf('/sys/kernel/debug/sched/preempt'),
    commandLine: textOf('/proc/cmdline'),
    config: textOf(`/boot/config-${release()}`),
  });
}

/**
 * Whether the kernel leaves out a program of this backend that is running on the same processor, in a task that
 * was preempted inside of it. Of LSM programs no kernel does that which has the function that came with the
 * change.
 */
export function mayLeaveOut(backend: Backend): boolean {
  if (backend === 'cgroup' || !hasTaskStorage() || !canPreempt()) return false;
  return (
    backend === 'fmod_ret' ||
    libbpf().libbpf_find_vmlinux_btf_id('bpf_trampoline_enter', BPF_TRACE_FENTRY) <= 0
  );
}

const LSM_LIST = '/sys/kernel/security/lsm';

/** The security modules that are active, in order. Undefined when the list can't be read. */
export function activeLsms(): string[] | undefined {
  if (!existsSync(LSM_LIST)) return undefined;
  return readFileSync(LSM_LIST, 'utf8').trim().split(',');
}

/** Whether there are, for programs of the kind `fmod_ret`, the functions of the kernel that ask the security modules. */
export function hasSecurityFunctions(): boolean {
  return libbpf().libbpf_find_vmlinux_btf_id('security_socket_connect', BPF_MODIFY_RETURN) > 0;
}

/** To the cgroup that a user names; `/` is the root of the hierarchy of version 2, wherever that is mounted. */
export function cgroupAttachment(cgroup: string): Attachment {
  return { backend: 'cgroup', cgroup: cgroup === '/' ? cgroupRoot() : cgroup };
}

/** An attachment, and why it is this one. */
export interface ChosenAttachment {
  attachment: Attachment;
  reason: string;
}

/** The best one for the whole host that this kernel offers. Nothing is loaded. */
export function hostAttachment(): ChosenAttachment {
  const active = activeLsms();
  if (active?.includes('bpf'))
    return { attachment: { backend: 'lsm' }, reason: 'bpf is an active security module' };
  const inactive = active
    ? `bpf is not among the active security modules (${active.join(',')})`
    : `which security modules are active can't be read from ${LSM_LIST}`;
  if (hasSecurityFunctions()) return { attachment: { backend: 'fmod_ret' }, reason: inactive };
  return {
    attachment: cgroupAttachment('/'),
    reason: `${inactive}, and programs cannot change the kernel's security_socket_connect()`,
  };
}

const CAPABILITIES: ReadonlyArray<[name: string, bit: number]> = [
  ['CAP_BPF', 39],
  ['CAP_PERFMON', 38],
];
const CAP_SYS_ADMIN = 21;
const CAP_SYS_RESOURCE = 24;

/** Names of the capabilities that loading needs and this process doesn't have. */
export function missingCapabilities(): string[] {
  if (holds(CAP_SYS_ADMIN)) return [];
  return CAPABILITIES.filter(([, bit]) => !holds(bit)).map(([name]) => name);
}

function holds(capability: number): boolean {
  const line = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return (BigInt(`0x${line?.[1] ?? '0'}`) & (1n << BigInt(capability))) !== 0n;
}

/**
 * How much memory BPF maps may take of this process, bytes; undefined: as much as its cgroup. Before Linux 5.11 the kernel
 * charged them to the user's locked memory (commit 97306be45fbe), of which libbpf asks for all that the hard limit, or
 * CAP_SYS_RESOURCE, lets it have.
 */
export function mapMemoryLimit(): number | undefined {
  const [major, minor] = kernelVersion();
  if (major > 5 || (major === 5 && minor >= 11) || holds(CAP_SYS_RESOURCE)) return undefined;
  const line = /^Max locked memory\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  const hard = Number(line?.[1]);
  return Number.isFinite(hard) ? hard : undefined;
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

/** The host's namespaces as the kernel side of this backend sees them. */
export function namespacesOf({ backend }: Attachment): HostNamespaces {
  const mount = backend === 'cgroup' ? visibleNamespace('mnt') : hostMountNamespace();
  return { mount, network: visibleNamespace('net') };
}
