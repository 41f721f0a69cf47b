import { closeSync } from 'node:fs';
import { check, libbpf, pinCalls, SystemError } from '../libbpf.ts';
import { BpfMap } from '../map.ts';

/** A policy by the hash of its text, and the file that it is from. */
export interface KeptPolicy {
  hash: string;
  file: string;
  mode: 'monitor' | 'block';
}

/** What is enforced by pinned programs, for people and for the next daemon. */
export interface About {
  /** Version of bouheki. */
  version: string;
  /** `host`, or the directory of the cgroup that alone is watched. */
  scope: string;
  backend: string;
  /** The record of the process. */
  db: string;
  policy: KeptPolicy;
  /** When it came into force, microseconds since the epoch. */
  since: number;
  /** By when it must be confirmed, nanoseconds since boot; what holds after that is `former`. */
  confirmBy?: string;
  former?: KeptPolicy;
  /** Whether others can't undo it without a key. */
  guarded?: true;
}

const BPF_MAP_TYPE_ARRAY = 2;
/** struct bpf_obj_get_opts up to file_flags: BPF_F_RDONLY, which a guard lets anybody have. */
const TO_READ = Buffer.from(Uint32Array.of(16, 0, 8, 0).buffer);
/** Bytes of the value: JSON, then zeros. Two paths fit. */
const SIZE = 16_384;
const KEY = Buffer.alloc(4);

/** A map with a single value of text, since bpffs holds no files. */
export class AboutMap implements Disposable {
  readonly #map: BpfMap;

  private constructor(fd: number) {
    this.#map = new BpfMap('about', fd, KEY.length, SIZE);
  }

  /** Makes one, and pins it. */
  static create(path: string): AboutMap {
    const fd = check(
      'bpf_map_create',
      libbpf().bpf_map_create(BPF_MAP_TYPE_ARRAY, 'bouheki_about', KEY.length, SIZE, 1, null),
    );
    try {
      check(`pin ${path}`, pinCalls().bpf_obj_pin(fd, path));
      return new AboutMap(fd);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  get fd(): number {
    return this.#map.fd;
  }

  write(about: About): void {
    const text = Buffer.from(JSON.stringify(about));
    if (text.length > SIZE) throw new SystemError('the paths of the policy and the record', 36);
    const value = Buffer.alloc(SIZE);
    text.copy(value);
    this.#map.set(KEY, value);
  }

  [Symbol.dispose](): void {
    closeSync(this.#map.fd);
  }

  /** What a pinned one says; undefined where that can't be read. */
  static read(path: string): About | undefined {
    let fd = -1;
    try {
      fd = pinCalls().bpf_obj_get_opts(path, TO_READ);
      if (fd < 0) return undefined;
      const value = Buffer.from(new BpfMap('about', fd, KEY.length, SIZE).get(KEY) ?? []);
      const end = value.indexOf(0);
      return JSON.parse(value.toString('utf8', 0, end < 0 ? value.length : end)) as About;
    } catch {
      // Written at this moment, or by nobody yet; or libbpf is gone, and what is pinned is to be removed.
      return undefined;
    } finally {
      if (fd >= 0) closeSync(fd);
    }
  }
}
