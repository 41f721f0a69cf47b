import { fstatSync, readdirSync, statSync } from 'node:fs';
import type { Egress } from '../../../bpf/egress.ts';
import type { OpenFile } from '../../../bpf/executable.ts';
import type { FileObject } from '../../../bpf/executable.ts';
import { PatternKey, SubjectKey, SubjectKind, Tables, Tables6, Tables6Low } from '../../../bpf/wire.ts';
import type { NameSides } from '../../../enforcer/apply.ts';
import { patternKey } from '../../../enforcer/name/known-address.ts';

/** What is used of a BpfMap. */
function mapOver(entries: Map<string, Uint8Array>) {
  return {
    keys: () => [...entries.keys()].map((key) => Buffer.from(key, 'hex')),
    get: (key: Buffer) => entries.get(key.toString('hex')),
    set: (key: Buffer, value: Uint8Array) => void entries.set(key.toString('hex'), value.slice()),
    delete: (key: Buffer) => entries.delete(key.toString('hex')),
  };
}

/** A file as the kernel would describe it, with an object that is its own. */
export function fileOf(device: number, inode: bigint): FileObject {
  return { device, inode, object: (1n << 63n) | (BigInt(device) << 40n) | inode, generation: 7 };
}

function lengthOf({ key }: { key: Buffer }): number {
  return key.readUInt32LE(PatternKey.offset.bits);
}

/** The file that a path means. */
export function fileAt(path: string): FileObject {
  const { dev, ino } = statSync(path, { bigint: true });
  return fileOf(Number(dev), ino);
}

/**
 * Stands in for the loaded kernel side: memory in the layout of wire.h that `applyPolicy` fills and flips, and the
 * reads that the hooks make of it. Both sides keep what earlier policies left behind, as the maps do.
 */
export class KernelTables {
  generation = 0n;
  readonly flags = [0, 0];
  readonly #sides = [0, 1].map(() => ({
    tables: new DataView(new ArrayBuffer(Tables.size)),
    tables6: new DataView(new ArrayBuffer(Tables6.size)),
    tables6Low: new DataView(new ArrayBuffer(Tables6Low.size)),
  }));
  readonly #subjects = new Map<string, Uint8Array>();
  readonly #userCgroups = new Map<string, Uint8Array>();
  readonly #patterns: { key: Buffer; found: number }[][] = [[], []];
  epochs = 0;

  /** What `applyPolicy` and `listCgroup` use of an Egress, and nothing else. */
  get egress(): Egress {
    return this as unknown as Egress;
  }

  get inactiveSide(): 0 | 1 {
    return this.generation & 1n ? 0 : 1;
  }

  get side(): 0 | 1 {
    return this.generation & 1n ? 1 : 0;
  }

  readonly subjects = mapOver(this.#subjects);
  readonly userCgroups = mapOver(this.#userCgroups);
  readonly expectedCgroups = mapOver(new Map<string, Uint8Array>());
  readonly userCgroupRoom = 100;
  readonly unlisted = [false, false];

  setUnlisted(side: 0 | 1, missing: boolean): void {
    this.unlisted[side] = missing;
  }

  tables(side: 0 | 1) {
    return this.#sides[side]!;
  }

  /** What `applyPolicy` uses of NameVerdicts. */
  get names(): NameSides {
    return {
      block: false,
      prepare: (side, { patterns }) => {
        this.#patterns[side] = [...patterns].map(([pattern, found]) => ({
          key: patternKey(pattern, side),
          found,
        }));
      },
      leave: (side) => {
        this.#patterns[side] = [];
      },
    };
  }

  /** class_of_name(): the longest prefix of the name, written backwards, that is a key of the map. */
  nameClass(name: string): number {
    const whole = patternKey(name, this.side);
    const matches = this.#patterns[this.side]!.filter(({ key }) => {
      const bits = key.readUInt32LE(PatternKey.offset.bits);
      const end = PatternKey.offset.text + bits / 8;
      return key.subarray(PatternKey.offset.text, end).equals(whole.subarray(PatternKey.offset.text, end));
    });
    return matches.sort((a, b) => lengthOf(b) - lengthOf(a))[0]?.found ?? 0;
  }

  /** How many ends have come on each side. */
  readonly ended = [0, 0];
  readonly nextEnd = [0n, 0n];

  setEnds(side: 0 | 1, ended: number, next: bigint): void {
    this.ended[side] = ended;
    this.nextEnd[side] = next;
  }

  flip(flags: number, _denyBoxes = 0, _confirmBy?: bigint, ends = 0): bigint {
    this.generation += 1n;
    if (ends === 0) this.setEnds(this.side, 0, 0n);
    this.flags[this.side] = flags;
    return this.generation;
  }

  openFiles(): OpenFile[] {
    return readdirSync('/proc/self/fd').flatMap((name) => {
      const fd = Number(name);
      try {
        const { dev, ino } = fstatSync(fd, { bigint: true });
        return [{ ...fileOf(Number(dev), ino), fd, own: true }];
      } catch {
        // The directory itself, which is closed by now.
        return [];
      }
    });
  }

  renewSubjects(): void {
    this.epochs += 1;
  }

  /** Entry of the maps of subjects on the side in force; the name's bytes as two words for commands. */
  subject(kind: keyof typeof SubjectKind, a: bigint, b = 0n, length = 0): Uint32Array | undefined {
    const key = Buffer.alloc(SubjectKey.size);
    key.writeUInt32LE(this.side, SubjectKey.offset.side);
    key.writeUInt16LE(SubjectKind[kind], SubjectKey.offset.kind);
    key.writeUInt16LE(length, SubjectKey.offset.length);
    key.writeBigUInt64LE(a, SubjectKey.offset.a);
    key.writeBigUInt64LE(b, SubjectKey.offset.b);
    const text = key.toString('hex');
    const value = this.#userCgroups.get(text) ?? this.#subjects.get(text);
    return value && new Uint32Array(value.buffer, value.byteOffset, 16);
  }

  /** Vector number `index` of an array of vectors at `offset` of struct tables, as 16 half words. */
  vector(offset: number, index: number): Uint32Array {
    return new Uint32Array(this.tables(this.side).tables.buffer, offset + index * 64, 16);
  }
}
