import { domainToASCII } from 'node:url';
import { parseLiteral } from './address.ts';
import { readPrefix } from './cidr.ts';

/** Octets of a name as it is written, without the last dot, and of one of its labels. */
const LONGEST_NAME = 253;
const LONGEST_LABEL = 63;

/** Every name. */
export const ANY_NAME = '*';
/** Before the names below one, at any depth; not that name itself. */
const BELOW = '*.';

/** What `readNamePattern` found: a pattern in the form in which it is compared, or why the text is none. */
export type NamePatternReading = { pattern: string } | { fault: string; help: string };

/**
 * Reads a pattern of DNS names: a name, `*.` and a name, or `*`. It is returned as names are recorded: in ASCII (IDNA),
 * in lower case, without the last dot.
 */
export function readNamePattern(text: string): NamePatternReading {
  if (text === ANY_NAME) return { pattern: text };
  const below = text.startsWith(BELOW) ? BELOW : '';
  const written = text.slice(below.length);
  const fault = syntaxFault(text, written);
  if (fault) return fault;
  const name = asciiName(written);
  if (name === undefined) {
    return { fault: `${quoted(text)} is not a domain name`, help: 'write it as programs look it up' };
  }
  return shapeFault(text, name, below) ?? { pattern: below + name };
}

/** What is wrong with the characters of a text, before they are a name. */
function syntaxFault(text: string, written: string): { fault: string; help: string } | undefined {
  if (isAddress(written)) {
    const help = `addresses have a list of their own: cidr: [${JSON.stringify(written)}]`;
    return { fault: `${quoted(text)} is an address, not a name`, help };
  }
  if (written.includes('*')) {
    const help = text.startsWith('**.')
      ? `write "${text.slice(1)}": *. goes to any depth already`
      : 'write "*.example.com" for all names below example.com, or "*" for any name';
    return { fault: `${quoted(text)} has a * elsewhere than as its first label`, help };
  }
  if (/[/:@?#[\]%\\]/.test(written)) {
    const help = 'write the name alone; ports are named by port, addresses by cidr';
    return { fault: `${quoted(text)} is more than a name`, help };
  }
  if (/[\s,;]/.test(written)) {
    return { fault: `${quoted(text)} is not one name`, help: 'write each name as an entry of its own' };
  }
  return undefined;
}

/** What is wrong with the labels of a name in ASCII. */
function shapeFault(text: string, name: string, below: string): { fault: string; help: string } | undefined {
  const labels = name.split('.');
  if (labels.includes('')) {
    const help = text.startsWith('.')
      ? `write "*${text}" for all names below ${text.slice(1)}`
      : 'leave out the dot that is too many';
    return { fault: `${quoted(text)} has an empty label`, help };
  }
  if (labels.some((label) => label.length > LONGEST_LABEL)) {
    const help = 'no such name can be looked up';
    return { fault: `${quoted(text)} has a label of more than ${LONGEST_LABEL} bytes`, help };
  }
  // A name below takes at least one character more, in the place of the star.
  if (below.length + name.length > LONGEST_NAME) {
    const help = 'no such name can be looked up';
    return { fault: `${quoted(text)} is longer than ${LONGEST_NAME} bytes`, help };
  }
  if (!/^[a-z0-9_.-]+$/.test(name)) {
    const help = 'names consist of letters, digits, hyphens, underscores and dots';
    return { fault: `${quoted(text)} is not a domain name`, help };
  }
  // Programs read `127.1` and `0x7f.1` as addresses.
  if (/^(?:\d+|0x[\da-f]*)$/.test(labels.at(-1)!)) {
    const help = 'write the address with cidr';
    return { fault: `${quoted(text)} ends with a number, which programs read as an address`, help };
  }
  return undefined;
}

function isAddress(text: string): boolean {
  const bare = text.replace(/^\[(.*)\]$/, '$1');
  return parseLiteral(bare) !== undefined || 'prefix' in readPrefix(bare);
}

/** Undefined where IDNA has no name for it. */
function asciiName(written: string): string | undefined {
  const name = written.endsWith('.') ? written.slice(0, -1) : written;
  // What is ASCII already keeps its underscores, and its numbers are not read as parts of an address.
  const ascii = /^[\u0021-\u007e]*$/.test(name) ? name.toLowerCase() : domainToASCII(name);
  return ascii === '' && name !== '' ? undefined : ascii;
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

/** Whether a pattern stands for more than one name. */
export function isNameGlob(pattern: string): boolean {
  return pattern.startsWith('*');
}

/** The name below which the names of a pattern are; undefined where it is `*` or one name. */
export function parentOf(pattern: string): string | undefined {
  return pattern.startsWith(BELOW) ? pattern.slice(BELOW.length) : undefined;
}

/** Whether a name, in lower case and without the last dot, is what a pattern says. */
export function matchesName(pattern: string, name: string): boolean {
  if (pattern === ANY_NAME) return true;
  if (!pattern.startsWith(BELOW)) return pattern === name;
  // With its dot: `notexample.com` is not below `example.com`, and neither is `.example.com`.
  const suffix = pattern.slice(1);
  return name.length > suffix.length && name.endsWith(suffix);
}

/** Whether a name is what one of the patterns says, as `matchesName`: with one look for each name that it is below. */
export function nameMatcher(patterns: readonly string[]): (name: string) => boolean {
  const listed = new Set(patterns);
  if (listed.has(ANY_NAME)) return () => true;
  const below = new Set(patterns.flatMap((pattern) => parentOf(pattern) ?? []));
  return (name) => listed.has(name) || (below.size > 0 && isBelow(name, below));
}

function isBelow(name: string, parents: ReadonlySet<string>): boolean {
  for (let dot = name.indexOf('.', 1); dot >= 0; dot = name.indexOf('.', dot + 1)) {
    if (parents.has(name.slice(dot + 1))) return true;
  }
  return false;
}

/** Whether every name that `inner` stands for is one of `outer`. */
export function coversNames(outer: string, inner: string): boolean {
  if (inner === ANY_NAME) return outer === ANY_NAME;
  const parent = parentOf(inner);
  return parent === undefined
    ? matchesName(outer, inner)
    : outer === inner || (isNameGlob(outer) && matchesName(outer, parent));
}

/** A label that no name has. */
const FRESH = '\u0001';

/**
 * Names of which one stands for every name, as far as the patterns distinguish: each pattern matches either all or none
 * of a class, and no class is empty.
 */
export function hostNameClasses(patterns: readonly string[]): string[] {
  const parents = patterns.flatMap((pattern) => parentOf(pattern) ?? []);
  const names = patterns.filter((pattern) => !isNameGlob(pattern));
  const below = [...new Set(parents)].sort().map((parent) => `${FRESH}.${parent}`);
  return [...new Set(names)].sort().concat(below, FRESH);
}
