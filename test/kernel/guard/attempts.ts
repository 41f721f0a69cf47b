/**
 * What a process can do to what another one keeps: `node attempts.js TARGETS [KEY]`, both as written by guard.test.ts.
 * Prints JSON: each attempt, and `done` or the error.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, renameSync, rmdirSync, writeFileSync } from 'node:fs';
import koffi from 'koffi';
import { Guard } from '../../../bpf/guard/guard.ts';
import { GuardKey } from '../../../bpf/guard/key.ts';
import { libbpf, pinCalls, SystemError } from '../../../bpf/libbpf.ts';
import { AboutMap } from '../../../bpf/pin/about.ts';

/** Of the process that keeps them. */
export interface Targets {
  pid: number;
  folder: string;
  map: number;
  program: number;
  link: number;
  /** Pin of a link that can be detached: of a program of a cgroup. */
  pin: string;
  /** Whether ftrace is kept on. */
  ftrace: boolean;
}

const [targets, key] = process.argv.slice(2).map((text) => JSON.parse(text) as unknown) as [Targets, string?];
const [PIDFD_OPEN, PIDFD_GETFD] = [434, 438];

const bpf = koffi.load('libbpf.so.1');
const bpf_prog_get_fd_by_id = bpf.func('int bpf_prog_get_fd_by_id(uint32_t id)');
const bpf_link_get_fd_by_id = bpf.func('int bpf_link_get_fd_by_id(uint32_t id)');
const bpf_link_detach = bpf.func('int bpf_link_detach(int fd)');
const bpf_link_update = bpf.func('int bpf_link_update(int fd, int program, const void *opts)');

const outcomes: Record<string, string> = {};

function attempt(what: string, work: () => number | void): void {
  try {
    const result = work();
    if (typeof result !== 'number') outcomes[what] = 'done';
    else if (result >= 0) outcomes[what] = 'done';
    else {
      const number = koffi.errno() || -result;
      const name = Object.entries(koffi.os.errno).find(([, value]) => value === number)?.[0];
      outcomes[what] = name ?? String(number);
    }
    if (typeof result === 'number' && result > 2) closeSync(result);
  } catch (error) {
    const { cause, code, message } = error as NodeJS.ErrnoException;
    outcomes[what] = cause instanceof SystemError ? cause.message : (code ?? message);
  }
}

function umount(path: string): void {
  const { status, stderr } = spawnSync('umount', ['-l', path], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr.trim());
}

if (key !== undefined) GuardKey.parse(key)!.give();
const syscall = (number: number, ...args: number[]): number =>
  Number(libbpf().syscall(number, args[0] ?? 0, args[1] ?? 0, args[2] ?? 0));

attempt('a map by its id', () => libbpf().bpf_map_get_fd_by_id(targets.map));
attempt('a program by its id', () => bpf_prog_get_fd_by_id(targets.program) as number);
attempt('a link by its id', () => bpf_link_get_fd_by_id(targets.link) as number);
attempt('to write what it is about', () => pinCalls().bpf_obj_get(`${targets.folder}/about`));
attempt('to read what it is about', () => {
  if (AboutMap.read(`${targets.folder}/about`) === undefined) throw new Error('nothing is read');
});
const own = libbpf().bpf_map_create(2, 'own', 4, 4, 1, null);
attempt('a map of its own', () => own);
if (key === undefined) {
  if (targets.ftrace)
    attempt('to switch ftrace off', () => writeFileSync('/proc/sys/kernel/ftrace_enabled', '0'));
  attempt('to be asked before it', () => {
    Guard.load('fmod_ret', GuardKey.parse('0'.repeat(64))!)[Symbol.dispose]();
  });
  const pinned = pinCalls().bpf_obj_get(targets.pin);
  attempt('a link by its pin, to exchange its program', () => bpf_link_update(pinned, 0, null) as number);
  attempt('a link by its pin, to detach it', () => bpf_link_detach(pinned) as number);
  attempt('to rename the pins', () => renameSync(targets.folder, `${targets.folder}x`));
  attempt('to rename the folder of all pins', () => renameSync('/sys/fs/bpf/bouheki', '/sys/fs/bpf/other'));
  attempt('to remove the folder', () => rmdirSync(targets.folder));
  attempt('to unmount bpffs', () => umount('/sys/fs/bpf'));
  attempt('to unmount what bpffs is mounted on', () => umount('/sys'));
}
attempt('to remove a pin', () => {
  const { stderr } = spawnSync('rm', [targets.pin], { encoding: 'utf8' });
  if (stderr !== '') throw new Error(stderr.trim());
});
attempt('a descriptor out of its process', () => {
  const pidfd = syscall(PIDFD_OPEN, targets.pid, 0);
  return syscall(PIDFD_GETFD, pidfd, 3, 0);
});
attempt('its memory', () => closeSync(openSync(`/proc/${targets.pid}/mem`, 'r+')));
process.stdout.write(JSON.stringify(outcomes));
