/** A member of a struct: where it is, and what `count` elements of `size` bytes it is made of. */
export interface BtfMember {
  offset: number;
  size: number;
  /** Elements of all dimensions of an array; 1 for anything else. */
  count: number;
}

export interface BtfStruct {
  size: number;
  members: Map<string, BtfMember>;
}

/** The types of a compiled BPF object, by name. */
export interface Btf {
  structs: Map<string, BtfStruct>;
  /** Values by name of the enumerator, of all enums: C has one namespace for them. */
  enumerators: Map<string, number>;
}

const SECTION_HEADER = 64;
const POINTER = 8;
const Kind = { pointer: 2, array: 3, struct: 4, enum: 6 };
/** Typedef, volatile, const, restrict, type tag. */
const ALIASES = new Set([8, 9, 10, 11, 18]);

/** One type record: `data` is where what follows its 12 bytes begins. */
interface Type {
  name: string;
  kind: number;
  length: number;
  kindFlag: boolean;
  /** Size, or number of another type. */
  value: number;
  data: number;
}

/** Reads the .BTF section of a 64-bit little-endian ELF object (Documentation/bpf/btf.rst of Linux). */
export function readBtf(object: Buffer): Btf {
  const section = btfSection(object);
  const header = section.readUInt32LE(4);
  const types = readTypes(section, header);
  const btf: Btf = { structs: new Map(), enumerators: new Map() };
  for (const type of types) {
    if (type?.kind === Kind.struct) btf.structs.set(type.name, structOf(section, header, types, type));
    if (type?.kind !== Kind.enum) continue;
    for (let index = 0; index < type.length; index += 1) {
      const at = type.data + 8 * index;
      btf.enumerators.set(textAt(section, header, section.readUInt32LE(at)), section.readInt32LE(at + 4));
    }
  }
  return btf;
}

function btfSection(object: Buffer): Buffer {
  const headers = Number(object.readBigUInt64LE(0x28));
  const count = object.readUInt16LE(0x3c);
  const bodyOf = (index: number) => {
    const header = headers + SECTION_HEADER * index;
    const start = Number(object.readBigUInt64LE(header + 0x18));
    return object.subarray(start, start + Number(object.readBigUInt64LE(header + 0x20)));
  };
  const names = bodyOf(object.readUInt16LE(0x3e));
  for (let index = 0; index < count; index += 1) {
    const name = object.readUInt32LE(headers + SECTION_HEADER * index);
    if (names.toString('latin1', name, names.indexOf(0, name)) === '.BTF') return bodyOf(index);
  }
  throw new Error('the object has no .BTF section');
}

function textAt(section: Buffer, header: number, offset: number): string {
  const start = header + section.readUInt32LE(16) + offset;
  return section.toString('latin1', start, section.indexOf(0, start));
}

/** By type number; 0 is void. */
function readTypes(section: Buffer, header: number): (Type | undefined)[] {
  const types: (Type | undefined)[] = [undefined];
  let at = header + section.readUInt32LE(8);
  const end = at + section.readUInt32LE(12);
  while (at < end) {
    const info = section.readUInt32LE(at + 4);
    const type = {
      name: textAt(section, header, section.readUInt32LE(at)),
      kind: (info >>> 24) & 0x1f,
      length: info & 0xffff,
      kindFlag: info >>> 31 === 1,
      value: section.readUInt32LE(at + 8),
      data: at + 12,
    };
    types.push(type);
    at = type.data + trailing(type);
  }
  return types;
}

/** Bytes that follow a type record. */
function trailing({ kind, length }: Type): number {
  // Int, array, struct, union, enum, function prototype, variable, data section, declaration tag, 64-bit enum.
  const [fixed, each] = new Map([
    [1, [4, 0]],
    [3, [12, 0]],
    [4, [0, 12]],
    [5, [0, 12]],
    [6, [0, 8]],
    [13, [0, 8]],
    [14, [4, 0]],
    [15, [0, 12]],
    [17, [4, 0]],
    [19, [0, 12]],
  ]).get(kind) ?? [0, 0];
  return fixed! + each! * length;
}

function structOf(section: Buffer, header: number, types: (Type | undefined)[], type: Type): BtfStruct {
  const members = new Map<string, BtfMember>();
  for (let index = 0; index < type.length; index += 1) {
    const at = type.data + 12 * index;
    const bits = section.readUInt32LE(at + 8);
    members.set(textAt(section, header, section.readUInt32LE(at)), {
      // With the flag the upper 8 bits are the width of a bitfield.
      offset: (type.kindFlag ? bits & 0xff_ffff : bits) / 8,
      ...elements(section, types, section.readUInt32LE(at + 4)),
    });
  }
  return { size: type.value, members };
}

function elements(section: Buffer, types: (Type | undefined)[], id: number): { size: number; count: number } {
  const type = types[id];
  if (!type) return { size: 0, count: 1 };
  if (ALIASES.has(type.kind)) return elements(section, types, type.value);
  if (type.kind === Kind.pointer) return { size: POINTER, count: 1 };
  if (type.kind !== Kind.array) return { size: type.value, count: 1 };
  const element = elements(section, types, section.readUInt32LE(type.data));
  return { size: element.size, count: element.count * section.readUInt32LE(type.data + 8) };
}
