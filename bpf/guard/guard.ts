import { readFileSync, statSync } from 'node:fs';
import { BouhekiError } from '../../error/error.ts';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { programFile } from '../../host/program-file.ts';
import { libbpf } from '../libbpf.ts';
import type { BpfMap, MapMemory } from '../map.ts';
import { BpfObject, objectId } from '../object.ts';
import type { AttachedProgram } from '../pin/pins.ts';
import { BPFFS, PIN_ROOT } from '../pin/place.ts';
import { type Attachment, hasTaskStorage, HOOKS } from '../probe.ts';
import { Guard as Layout, GUARD_MOUNTS, Guarded, GuardedKind } from '../wire.ts';
import type { GuardKey } from './key.ts';

/** In the order in which they are attached: who gives the key is seen first. */
const PROGRAMS = [
  'guard_bpf',
  'guard_map',
  'guard_program',
  'guard_unlink',
  'guard_rmdir',
  'guard_rename',
  'guard_umount',
  'guard_ptrace',
];
/** Is asked when a sysctl is written. */
const SYSCTL = 'guard_sysctl';
const MAPS = ['guarded', 'admitted', 'functions', '.data.guard'];
const BPF_MODIFY_RETURN = 26;
/** Hooks of security modules that the programs above are asked at. */
const ASKED = [
  'bpf',
  'bpf_map',
  'bpf_prog',
  'inode_unlink',
  'inode_rmdir',
  'inode_rename',
  'sb_umount',
  'ptrace_access_check',
];
const MOUNT_TABLE = '/proc/1/mountinfo';

/** Who was refused by a guard. */
export interface Refusals {
  count: number;
  /** The last of them. */
  pid: number;
  command: string;
}

/**
 * Keeps all processes but this one, and those that give the key, from undoing what it keeps: from the maps and programs
 * that it makes from then on, its links, its pins and their mount, and its own memory.
 */
export class Guard implements Disposable {
  readonly #object: BpfObject;
  readonly #memory: MapMemory;
  readonly #guarded: BpfMap;
  readonly #numbers: DataView;

  private constructor(object: BpfObject) {
    this.#object = object;
    this.#guarded = object.map('guarded', Guarded.size, 1);
    this.#memory = object.map('.data.guard', 4, Layout.size).memory(Layout.size);
    this.#numbers = new DataView(this.#memory.buffer);
  }

  /** Whether others cannot switch ftrace off: before Linux 5.11 a program that is asked there cannot tell who asks. */
  static get keepsFtrace(): boolean {
    return hasTaskStorage();
  }

  /** Loads and attaches it. Throws BouhekiError where the kernel refuses. */
  static load(backend: Exclude<Attachment['backend'], 'cgroup'>, key: GuardKey): Guard {
    const object = BpfObject.open(programFile(`bpf/guard${backend === 'lsm' ? '' : '-fmod'}.bpf.o`));
    let guard: Guard | undefined;
    try {
      if (!Guard.keepsFtrace) object.leaveOut(SYSCTL);
      object.load();
      guard = new Guard(object);
      guard.#begin(key);
      return guard;
    } catch (error) {
      guard?.[Symbol.dispose]();
      if (guard === undefined) object[Symbol.dispose]();
      throw error;
    }
  }

  #begin(key: GuardKey): void {
    new Uint8Array(this.#memory.buffer, Layout.offset.key, key.bytes.length).set(key.bytes);
    this.#set('owner', process.pid);
    const functions = this.#object.map('functions', 4, 1);
    for (const hook of [...ASKED, ...HOOKS]) {
      const id = libbpf().libbpf_find_vmlinux_btf_id(`security_${hook}`, BPF_MODIFY_RETURN);
      if (id > 0) functions.set(new Uint8Array(Uint32Array.of(id).buffer), Uint8Array.of(1));
    }
    for (const program of PROGRAMS) this.#object.attach(program);
    if (Guard.keepsFtrace) this.#object.attachToCgroup(SYSCTL, cgroupRoot());
    key.give();
    // Without an owner it would keep this process away too.
    if (this.#numbers.getBigUint64(Layout.offset.owner_started, true) === 0n) {
      throw new BouhekiError('kernel', 'the guard is attached, but the kernel does not ask it', {
        remedy: 'leave --guard-key out, and run `bouheki doctor`',
      });
    }
    for (const map of MAPS) this.#add(GuardedKind.map, objectId(this.#object.map(map, 0, 0).fd));
    for (const program of this.#object.programs) this.#add(GuardedKind.program, objectId(program));
    this.cover(this.links);
  }

  /** Its programs, with the descriptors of their links. */
  get links(): AttachedProgram[] {
    return this.#object.links;
  }

  /** Guards the links of programs. */
  cover(links: readonly AttachedProgram[]): void {
    for (const { fd } of links) this.#add(GuardedKind.link, objectId(fd));
  }

  /** Guards pins in a folder, and its mount. `about`: the descriptor of the map that others may read. */
  coverPins(folder: string, about: number): void {
    this.#set('about', objectId(about));
    const { dev, ino } = statSync(PIN_ROOT, { bigint: true });
    this.#set('device', kernelDevice(Number(dev)));
    this.#numbers.setBigUint64(Layout.offset.root, ino, true);
    this.#numbers.setBigUint64(Layout.offset.folder, statSync(folder, { bigint: true }).ino, true);
    const mounts = mountsAbove(BPFFS, readFileSync(MOUNT_TABLE, 'utf8')).slice(-GUARD_MOUNTS);
    for (const [place, id] of mounts.entries())
      this.#numbers.setUint32(Layout.offset.mounts + 4 * place, id, true);
  }

  /** How often others were refused so far. */
  get refusals(): Refusals {
    const { refused, refused_comm: comm, refused_pid: pid } = Layout.offset;
    const name = Buffer.from(this.#memory.buffer, comm, Layout.size - comm);
    return {
      count: Number(this.#numbers.getBigUint64(refused, true)),
      pid: Number(this.#numbers.getBigUint64(pid, true)),
      command: name.toString('utf8', 0, Math.max(0, name.indexOf(0))),
    };
  }

  /** Ends it, unless its links are pinned. */
  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
    this.#object[Symbol.dispose]();
  }

  #set(field: 'owner' | 'device' | 'about', value: number): void {
    this.#numbers.setUint32(Layout.offset[field], value, true);
  }

  #add(kind: number, id: number): void {
    this.#guarded.set(new Uint8Array(Uint32Array.of(kind, id).buffer), Uint8Array.of(1));
  }
}

/** A number of stat() as the kernel keeps it: MAJOR << 20 | MINOR, of new_encode_dev() in include/linux/kdev_t.h. */
export function kernelDevice(device: number): number {
  const major = (device >>> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >>> 12) & 0xf_ff00);
  return ((major << 20) | minor) >>> 0;
}

/**
 * The ids of the mounts that a path goes with: its own and those above it, from the outermost on. `table`: what
 * /proc/PID/mountinfo holds (proc_pid_mountinfo(5)); where several are at one place all count.
 */
export function mountsAbove(path: string, table: string): number[] {
  return table.split('\n').flatMap((line) => {
    const [id, , , , place] = line.split(' ');
    if (place === undefined) return [];
    const above = place === '/' || place === path || path.startsWith(`${place}/`);
    return above ? [Number(id)] : [];
  });
}
