import { existsSync } from 'node:fs';
import { release } from 'node:os';
import { BouhekiError, type ErrorCode } from '../error/error.ts';
import { libbpf } from './libbpf.ts';
import {
  activeLsms,
  hasBtf,
  hasSecurityFunctions,
  hasTaskStorage,
  kernelVersion,
  lockdown,
  mapMemoryLimit,
  missingCapabilities,
  type Backend,
  UNSEEN_BY_CGROUP,
  UNSEEN_BY_FMOD_RET,
} from './probe.ts';

/** What is needed of the kernel side; absent is all of it. */
export interface KernelNeeds {
  /** Whether a policy may come that blocks; `twice`: with a second judge, so that `attachSecondJudge` can be called. */
  blocks?: boolean | 'twice';
  /** Cgroups that users have made, both sides. */
  userCgroups?: number;
  /** Addresses known by names, of which the memory is taken at once; 1 where no policy can ask for names. */
  known?: number;
}

/** What was found where only root finds it. */
export const WITHOUT_ROOT = "can't tell without root";

/** One thing that bouheki needs of a machine, what was found, and how to mend it. */
export interface Requirement {
  name: string;
  /** `limited`: works, with less. `unknown`: cannot be told here, as without root. */
  state: 'ok' | 'limited' | 'missing' | 'unknown';
  /** What this machine answered. */
  found: string;
  remedy?: string;
  /** Kind of error when a command meets it. */
  code: ErrorCode;
  /** The backend that alone needs it. */
  only?: Backend;
}

/** All requirements of all backends, in the order in which they are best mended. Nothing is loaded. */
export function requirements(): Requirement[] {
  return [
    node(),
    kernel(),
    library(),
    capabilities(),
    mapMemory(),
    btf(),
    lsm(),
    fmodRet(),
    lockdownMode(),
    storage(),
    cgroups(),
  ];
}

/** Throws a BouhekiError for the first requirement of a backend that is missing. */
export function requireAll(backend: Backend): void {
  const missing = requirements().find(
    ({ state, only }) => state === 'missing' && (only === undefined || only === backend),
  );
  if (!missing) return;
  throw new BouhekiError(missing.code, `${missing.name}: ${missing.found}`, {
    ...(missing.remedy !== undefined && { remedy: missing.remedy }),
  });
}

function node(): Requirement {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const enough = major > 20 || (major === 20 && minor >= 19);
  return {
    name: 'Node.js 20.19 or later',
    state: enough ? 'ok' : 'missing',
    found: process.versions.node,
    remedy: 'install a current Node.js',
    code: 'library',
  };
}

function kernel(): Requirement {
  const [major, minor] = kernelVersion();
  const enough = major > 5 || (major === 5 && minor >= 8);
  return {
    name: 'Linux 5.8 or later',
    state: enough ? 'ok' : 'missing',
    found: release(),
    remedy: 'boot a newer kernel',
    code: 'kernel',
  };
}

function library(): Requirement {
  const requirement = { name: 'libbpf 1.0 or later', code: 'library' as const };
  try {
    return { ...requirement, state: 'ok', found: libbpf().libbpf_version_string() };
  } catch (error) {
    if (!(error instanceof BouhekiError)) throw error;
    return { ...requirement, state: 'missing', found: error.message, remedy: error.remedy ?? '' };
  }
}

function capabilities(): Requirement {
  const missing = missingCapabilities();
  return {
    name: 'capabilities to load BPF programs',
    state: missing.length === 0 ? 'ok' : 'missing',
    found: missing.length === 0 ? 'held' : `${missing.join(' and ')} not held`,
    remedy: 'run it as root, for instance with sudo',
    code: 'privilege',
  };
}

/** What maps need grows with the policy, so no amount is enough for all. */
function mapMemory(): Requirement {
  const requirement = { name: 'memory for BPF maps', code: 'privilege' as const };
  if (missingCapabilities().length > 0) return { ...requirement, state: 'unknown', found: WITHOUT_ROOT };
  const limit = mapMemoryLimit();
  return {
    ...requirement,
    state: limit === undefined ? 'ok' : 'missing',
    found:
      limit === undefined
        ? 'not limited for this process'
        : `at most ${limit / 1024} KiB, the locked memory of this user, of which this kernel takes it`,
    remedy: 'start it without that limit (in a unit, LimitMEMLOCK=infinity) or with CAP_SYS_RESOURCE',
  };
}

function btf(): Requirement {
  const present = hasBtf();
  return {
    name: 'BTF of the kernel',
    state: present ? 'ok' : 'missing',
    found: present ? '/sys/kernel/btf/vmlinux' : 'no /sys/kernel/btf/vmlinux',
    remedy: 'boot a kernel that was built with CONFIG_DEBUG_INFO_BTF=y',
    code: 'kernel',
  };
}

function lsm(): Requirement {
  const requirement = { name: 'the backend lsm', code: 'kernel' as const, only: 'lsm' as const };
  const active = activeLsms();
  if (!active) {
    return {
      ...requirement,
      state: 'unknown',
      found: '/sys/kernel/security/lsm is not there',
      remedy: 'mount it (mount -t securityfs securityfs /sys/kernel/security), or leave it to fmod_ret',
    };
  }
  const present = active.includes('bpf');
  return {
    ...requirement,
    state: present ? 'ok' : 'missing',
    found: present
      ? `sees the whole host; bpf is among the active security modules (${active.join(',')})`
      : `bpf is not among the active security modules (${active.join(',')})`,
    remedy: 'leave --backend out: fmod_ret sees the same and needs no boot parameter',
  };
}

/** The way without a boot parameter. */
function fmodRet(): Requirement {
  const requirement = { name: 'the backend fmod_ret', code: 'kernel' as const, only: 'fmod_ret' as const };
  let present: boolean;
  try {
    present = hasSecurityFunctions();
  } catch {
    return { ...requirement, state: 'unknown', found: 'libbpf cannot be asked' };
  }
  return {
    ...requirement,
    state: present ? 'ok' : 'missing',
    found: present
      ? `sees the whole host; ${UNSEEN_BY_FMOD_RET}`
      : 'the kernel has no security_socket_connect()',
    remedy:
      'boot a kernel with CONFIG_SECURITY_NETWORK=y and CONFIG_DEBUG_INFO_BTF=y, or watch one cgroup: --cgroup',
  };
}

function lockdownMode(): Requirement {
  const mode = lockdown() ?? 'none';
  const refused = mode === 'confidentiality';
  return {
    name: 'kernel memory readable by BPF programs',
    state: refused ? 'missing' : 'ok',
    found: `lockdown: ${mode}`,
    remedy: 'boot without lockdown=confidentiality; integrity, which Secure Boot sets, is fine',
    code: 'kernel',
  };
}

function storage(): Requirement {
  const requirement = { name: 'task storage (Linux 5.11)', code: 'kernel' as const };
  // The kernel answers the question for whoever may load programs only.
  if (missingCapabilities().length > 0) return { ...requirement, state: 'unknown', found: WITHOUT_ROOT };
  let present: boolean;
  try {
    present = hasTaskStorage();
  } catch {
    return { ...requirement, state: 'unknown', found: 'libbpf cannot be asked' };
  }
  if (present) return { ...requirement, state: 'ok', found: 'present' };
  return {
    ...requirement,
    state: 'limited',
    found: 'absent: programs that run already are identified from their next exec on',
    remedy: 'restart long-running services after bouheki has started, or boot a newer kernel',
  };
}

/** The way to watch less than the host, and what it is worth. */
function cgroups(): Requirement {
  const present = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].some((root) =>
    existsSync(`${root}/cgroup.controllers`),
  );
  const unseen = `does not see ${UNSEEN_BY_CGROUP}`;
  return {
    name: 'the backend cgroup (--cgroup DIRECTORY)',
    state: 'limited',
    found: present ? unseen : `cgroup v2 is not mounted; and it ${unseen}`,
    remedy: 'it is for one cgroup alone: nothing to do where the rest is ok',
    code: 'kernel',
    only: 'cgroup',
  };
}
