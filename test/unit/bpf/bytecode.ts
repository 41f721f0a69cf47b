import { readFileSync } from 'node:fs';

/** One instruction of 8 bytes, as the kernel's instruction set has them. */
interface Instruction {
  readonly code: number;
  readonly to: number;
  readonly from: number;
  readonly offset: number;
  readonly immediate: number;
}

/** Where a value comes from: a number, a word of what the hook was called with, or what could not be followed. */
export type Source = number | `argument ${number}` | `unknown: ${string}`;

const LOAD_WORD = 0x79;
const MOVES = { constant: new Set([0xb7, 0xb4]), register: new Set([0xbf, 0xbc]) };
/** Left and right shifts by a constant: how 64 bits become a signed `int`. */
const SHIFTS = new Set([0x67, 0xc7]);
/** A constant of 64 bits, which takes the room of two instructions. Of an `int` the lower half alone counts. */
const LONG_CONSTANT = 0x18;
const CALL = 0x85;
const EXIT = 0x95;
const GO = 0x05;
const CONTEXT = 1;

/** A program of an object that clang has made, as a graph. */
export class Bytecode {
  readonly #instructions: (Instruction | undefined)[];
  readonly #before: number[][];

  constructor(text: Buffer) {
    this.#instructions = decode(text);
    this.#before = this.#instructions.map(() => []);
    for (const [at, instruction] of this.#instructions.entries())
      for (const next of instruction === undefined ? [] : followers(at, instruction))
        this.#before[next]!.push(at);
  }

  /** Whatever the program can return. */
  get returned(): Set<Source> {
    const sources = new Set<Source>();
    for (const [at, instruction] of this.#instructions.entries())
      if (instruction?.code === EXIT) this.#collect(at, 0, sources, new Set());
    return sources;
  }

  /** Adds what a register can hold before an instruction. */
  #collect(at: number, register: number, sources: Set<Source>, seen: Set<string>): void {
    if (seen.has(`${at} ${register}`)) return;
    seen.add(`${at} ${register}`);
    if (at === 0) sources.add(`unknown: r${register} at the beginning`);
    for (const previous of this.#before[at]!) {
      const held = this.#heldAfter(previous, register);
      if (typeof held === 'number') this.#collect(previous, held, sources, seen);
      else sources.add(held.source);
    }
  }

  /** What an instruction leaves in a register, or which register held that before it. */
  #heldAfter(at: number, register: number): number | { source: Source } {
    const { code, from, immediate, offset, to } = this.#instructions[at]!;
    if (code === CALL && register <= 5) return { source: `unknown: a call at ${at}` };
    // Stores, jumps and exits write to memory or nowhere.
    if (to !== register || ![0x00, 0x01, 0x04, 0x07].includes(code & 0x07)) return register;
    if (MOVES.constant.has(code)) return { source: immediate };
    // Where `from` says so it is the address of a map.
    if (code === LONG_CONSTANT && from === 0) return { source: immediate };
    if (MOVES.register.has(code)) return from;
    if (SHIFTS.has(code)) return register;
    if (code === LOAD_WORD && this.#isContext(at, from)) return { source: `argument ${offset / 8}` };
    return { source: `unknown: code ${code.toString(16)} at ${at}` };
  }

  /** Whether a register holds what the program was called with, wherever it comes from. */
  #isContext(at: number, register: number): boolean {
    const sources = new Set<Source>();
    this.#collect(at, register, sources, new Set());
    return sources.size === 1 && sources.has(`unknown: r${CONTEXT} at the beginning`);
  }
}

function decode(text: Buffer): (Instruction | undefined)[] {
  const instructions: (Instruction | undefined)[] = [];
  for (let at = 0; at < text.length; at += 8) {
    const registers = text.readUInt8(at + 1);
    const code = text.readUInt8(at);
    instructions.push({
      code,
      to: registers & 0x0f,
      from: registers >> 4,
      offset: text.readInt16LE(at + 2),
      immediate: text.readInt32LE(at + 4),
    });
    if (code === LONG_CONSTANT) {
      instructions.push(undefined);
      at += 8;
    }
  }
  return instructions;
}

/** Which instructions can come after one. */
function followers(at: number, { code, offset }: Instruction): number[] {
  const next = at + (code === LONG_CONSTANT ? 2 : 1);
  if (code === EXIT) return [];
  if (code === GO) return [at + 1 + offset];
  const jumps = [0x05, 0x06].includes(code & 0x07) && code !== CALL;
  return jumps ? [next, at + 1 + offset] : [next];
}

interface Section {
  readonly name: string;
  readonly at: number;
  readonly size: number;
}

/** The sections of an object file of 64 bits. */
export function sectionsOf(path: string): { file: Buffer; sections: Section[] } {
  const file = readFileSync(path);
  const table = Number(file.readBigUInt64LE(0x28));
  const [each, count, names] = [0x3a, 0x3c, 0x3e].map((at) => file.readUInt16LE(at)) as [
    number,
    number,
    number,
  ];
  const word = (index: number, at: number): number => Number(file.readBigUInt64LE(table + index * each + at));
  const text = word(names, 0x18);
  const sections = Array.from({ length: count }, (_, index): Section => {
    const begin = text + file.readUInt32LE(table + index * each);
    return {
      name: file.toString('latin1', begin, file.indexOf(0, begin)),
      at: word(index, 0x18),
      size: word(index, 0x20),
    };
  });
  return { file, sections };
}
