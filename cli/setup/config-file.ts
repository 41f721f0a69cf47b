import { existsSync } from 'node:fs';
import { type Command, InvalidArgumentError, type Option } from 'commander';
import { BouhekiError } from '../../error/error.ts';
import { readTrustedText } from '../option/trusted-text.ts';
import { closestWord, type Path, renderProblem } from '../../policy/file/problem.ts';
import { readYaml, type YamlSource } from '../../policy/file/yaml-source.ts';

/** What is wrong at a place of the file. */
interface Fault {
  path: Path;
  /** Whether it is the key that is wrong, not its value. */
  key: boolean;
  message: string;
  help: string;
}

/**
 * Sets the options of the program and of a command that a configuration file names, as if they were given: the
 * command line and the environment win. Where there is no such file, or the caller may not read it, nothing is
 * set. Throws BouhekiError `untrusted` where other users can write it, `usage` that shows each fault with its line.
 */
export function configure(program: Command, name: string | undefined, path: string): void {
  const text = readIfAllowed(path);
  if (text === undefined) return;
  const source = readYaml(text);
  const faults = source.faults.length > 0 ? [] : settle(program, name, source.value);
  if (source.faults.length + faults.length === 0) return;
  const shown = [
    ...source.faults.map(({ help, message, offset }) => ({ offset, message, help })),
    ...faults.map(({ help, message, ...place }) => ({ offset: offsetIn(source, place), message, help })),
  ];
  throw new BouhekiError('usage', `${path} is no valid configuration`, {
    detail: shown
      .map(({ message, help, offset }) =>
        renderProblem(
          {
            severity: 'error',
            file: path,
            ...positionOf(text, offset),
            path: '',
            message,
            ...(help !== undefined && { help }),
          },
          text,
        ),
      )
      .join('\n'),
  });
}

function readIfAllowed(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return readTrustedText(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return undefined;
    if (error instanceof BouhekiError) throw error;
    throw new BouhekiError('usage', `the configuration cannot be read: ${(error as Error).message}`, {
      remedy: 'make it a file, or name another one in $BOUHEKI_CONFIG',
      cause: error,
    });
  }
}

/** Sets what the document says of the program and of the command. Returns what is wrong. */
function settle(program: Command, name: string | undefined, document: unknown): Fault[] {
  if (document === null || document === undefined) return [];
  if (!isMap(document)) return [fault([], 'a map of options and commands is expected', 'see docs/config.md')];
  const own = program.options.filter(isSettable);
  const known = [...own.map(keyOf), ...program.commands.map((command) => command.name())];
  return Object.entries(document).flatMap(([key, value]) => {
    const option = own.find((each) => keyOf(each) === key);
    if (option !== undefined) return set([program, ...program.commands], option, value, [key]);
    const command = program.commands.find((each) => each.name() === key);
    if (command === undefined) return [unknown('option or command', key, [key], known)];
    if (!isMap(value)) return [noMap([key])];
    return key === name ? setAll(command, value, [key]) : [];
  });
}

/** Sets the options of the command at a path of the file, and of those below it. */
function setAll(command: Command, section: Record<string, unknown>, at: readonly string[]): Fault[] {
  const options = command.options.filter(isSettable);
  const known = [...options.map(keyOf), ...command.commands.map((each) => each.name())];
  return Object.entries(section).flatMap(([key, value]) => {
    const path = [...at, key];
    const option = options.find((each) => keyOf(each) === key);
    if (option !== undefined) return set([command], option, value, path);
    const below = command.commands.find((each) => each.name() === key);
    if (below === undefined) return [unknown(`option of ${at.join(' ')}`, key, path, known)];
    return isMap(value) ? setAll(below, value, path) : [noMap(path)];
  });
}

function noMap(path: readonly string[]): Fault {
  return fault([...path], `${path.join(' ')} needs a map of its options`, 'write option: value below it');
}

/** Sets an option of all these commands that have it. */
function set(commands: readonly Command[], option: Option, value: unknown, path: Path): Fault[] {
  try {
    const settled = valueFor(option, value);
    for (const command of commands) {
      if (command.options.some(({ long }) => long === option.long) && settled !== undefined)
        command.setOptionValueWithSource(option.attributeName(), settled, 'config');
    }
    return [];
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    return [fault(path, `${keyOf(option)}: ${error.message}`, `write it as after --${keyOf(option)}`)];
  }
}

/** The value that the option has when it is given so. Throws InvalidArgumentError. */
function valueFor(option: Option, value: unknown): unknown {
  if (option.isBoolean()) {
    if (typeof value !== 'boolean') throw new InvalidArgumentError('It must be true or false.');
    return value ? !option.negate : undefined;
  }
  const texts = (Array.isArray(value) ? value : [value]).map(textOf);
  if (option.parseArg === undefined) {
    if (texts.length !== 1) throw new InvalidArgumentError('It must be one value.');
    return texts[0];
  }
  // An option that may be repeated gets what it had before.
  let settled: unknown = Array.isArray(option.defaultValue) ? option.defaultValue : undefined;
  for (const text of texts) settled = option.parseArg(text, settled);
  return settled;
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  throw new InvalidArgumentError('It must be a text or a number.');
}

/** Options by which one asks for something, not by which it is done otherwise. */
function isSettable({ long }: Option): boolean {
  return !['--help', '--version', '--config'].includes(long ?? '');
}

/** The name of an option as it is written in the file: without the dashes. */
function keyOf({ long }: Option): string {
  return (long ?? '').slice(2);
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fault(path: Path, message: string, help: string): Fault {
  return { path, key: false, message, help };
}

function unknown(what: string, key: string, path: Path, known: readonly string[]): Fault {
  const close = closestWord(key, known);
  const help = close === undefined ? `known here: ${known.join(', ')}` : `did you mean ${close}?`;
  return { path, key: true, message: `unknown ${what} "${key.slice(0, 80)}"`, help };
}

function offsetIn(source: YamlSource, { key, path }: Pick<Fault, 'key' | 'path'>): number {
  return key ? source.offsetOfKey(path) : source.offsetOf(path);
}

/** Line and column, from 1. */
function positionOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: before.at(-1)!.length + 1 };
}
