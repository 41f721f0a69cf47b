import { closeSync } from 'node:fs';
import { timingSafeEqual } from 'node:crypto';
import { BouhekiError } from '../../error/error.ts';
import { systemError } from '../../host/system-error.ts';
import { TrustedFile } from '../../host/trusted-file.ts';
import { pinCalls } from '../libbpf.ts';
import type { Kept } from '../pin/kept.ts';
import { ABOUT } from '../pin/place.ts';
import { GUARD_COMMAND } from '../wire.ts';

/** bpf(2) on the processors that the kernel side is built for. */
const SYS_BPF: Partial<Record<NodeJS.Architecture, number>> = { x64: 321, arm64: 280 };

const REMEDY =
  'it must hold 64 hexadecimal digits, and be readable for its owner alone: (umask 077; openssl rand -hex 32 > FILE)';
/** Bytes of the file: more than that is no key. */
const MOST = 4096;

/** What admits those who give it to what a guard keeps from others. 256 bits. */
export class GuardKey {
  readonly bytes: Buffer;

  private constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** Throws BouhekiError `usage` for a file that holds no key, and `untrusted` for one that others can read or write. */
  static read(path: string): GuardKey {
    let text: string;
    try {
      using file = TrustedFile.open(path);
      if (!file.isPrivate) throw systemError('EACCES', 'others than its owner can read it');
      text = file.read(MOST).toString('latin1').trim();
    } catch (error) {
      if (error instanceof BouhekiError) throw error;
      const message = `cannot use the guard key ${path}: ${(error as Error).message}`;
      throw new BouhekiError('usage', message, { remedy: REMEDY, cause: error });
    }
    const key = GuardKey.parse(text);
    if (key === undefined) throw new BouhekiError('usage', `${path} holds no guard key`, { remedy: REMEDY });
    return key;
  }

  /** Of 64 hexadecimal digits; undefined for any other text. */
  static parse(text: string): GuardKey | undefined {
    return /^[\da-f]{64}$/i.test(text) ? new GuardKey(Buffer.from(text, 'hex')) : undefined;
  }

  get text(): string {
    return this.bytes.toString('hex');
  }

  equals(other: GuardKey): boolean {
    return timingSafeEqual(this.bytes, other.bytes);
  }

  /** Has this process admitted by every guard of this key. What the kernel answers says nothing of that. */
  give(): void {
    pinCalls().syscall(SYS_BPF[process.arch] ?? -1, GUARD_COMMAND, this.bytes, this.bytes.length);
  }
}

/** Whether this process cannot undo what is pinned there. */
function isLocked({ folder }: Pick<Kept, 'folder'>): boolean {
  const fd = pinCalls().bpf_obj_get(`${folder}/${ABOUT}`);
  if (fd >= 0) closeSync(fd);
  return fd < 0;
}

/**
 * Has this process admitted to what is kept there, by a key if there is one. Throws BouhekiError `privilege` for the
 * first that it is not admitted to.
 */
export function requireAdmission(kept: readonly Kept[], key: GuardKey | undefined): void {
  const guarded = kept.filter(({ about }) => about?.guarded);
  if (guarded.length === 0) return;
  key?.give();
  const locked = guarded.find(isLocked);
  if (locked === undefined) return;
  const why = key === undefined ? 'its key was not given' : 'it has another key';
  throw new BouhekiError('privilege', `what process ${locked.pid} keeps is guarded, and ${why}`, {
    remedy: 'give its key: --guard-key FILE. Without it see docs/guard.md for the rescue',
  });
}
