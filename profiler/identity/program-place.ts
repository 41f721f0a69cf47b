import { closeSync } from 'node:fs';
import type { OpenFile } from '../../bpf/executable.ts';
import { ProcessFlag } from '../../bpf/wire.ts';
import { followPath } from '../../host/path-walk.ts';
import { ELSEWHERE, TOO_LONG } from '../event/executable.ts';
import type { ProcessRecord } from '../event/decode.ts';
import { readExecutable } from './ancestor.ts';

/** Answers remembered; all are forgotten then. */
const REMEMBERED = 4096;

type Program = Pick<ProcessRecord, 'device' | 'flags' | 'inode' | 'path' | 'pid' | 'started'>;

/**
 * Says which file a program is. Its path is one of the host where the process has the mounts of the host, in whatever
 * root directory. With mounts of its own, made by root of the host, it is if the host has the same file at that path: a
 * service with PrivateTmp= runs programs of the host, one with RootDirectory= or BindReadOnlyPaths= may not. In a
 * namespace that a user has made it never is, as no rule by `exe` holds there.
 */
export class ProgramPlaces {
  readonly #openFiles: () => readonly OpenFile[];
  /** Files of other mounts that the host has at the same path. */
  readonly #hosts = new Set<string>();

  /** `openFiles`: what the kernel says of the descriptors of this process. */
  constructor(openFiles: () => readonly OpenFile[]) {
    this.#openFiles = openFiles;
  }

  /** What is recorded as the executable of a process outside containers. */
  executableOf(program: Program): string {
    const { flags } = program;
    const path = fullPath(program);
    if (!path.startsWith('/') || flags & (ProcessFlag.memfd | ProcessFlag.deleted)) return path;
    if (flags & (ProcessFlag.foreignUsers | ProcessFlag.foreignRoot)) return ELSEWHERE + path;
    if ((flags & ProcessFlag.foreignMount) === 0 || this.#isOfHost(path, program)) return path;
    return ELSEWHERE + path;
  }

  #isOfHost(path: string, { device, inode }: Program): boolean {
    const key = `${device}:${inode}:${path}`;
    if (this.#hosts.has(key)) return true;
    const file = this.#fileAt(path);
    if (file?.device !== device || file.inode !== inode) return false;
    if (this.#hosts.size >= REMEMBERED) this.#hosts.clear();
    this.#hosts.add(key);
    return true;
  }

  #fileAt(path: string): OpenFile | undefined {
    try {
      // It enters no file system of a user, who may never let it answer.
      const { directory, entry } = followPath(path, 'any');
      closeSync(directory.fd);
      if (entry === undefined) return undefined;
      try {
        return this.#openFiles().find(({ fd, own }) => own && fd === entry.fd);
      } finally {
        closeSync(entry.fd);
      }
    } catch {
      return undefined;
    }
  }
}

/** The kernel side has room for shorter ones; /proc shows every path, as long as the process runs. */
function fullPath({ flags, path, pid, started }: Program): string {
  if ((flags & ProcessFlag.pathTruncated) === 0) return path;
  return readExecutable(pid, started) ?? TOO_LONG;
}
