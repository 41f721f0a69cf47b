import type * as z from 'zod';
import { PROTOCOL_NAMES } from '../value/protocol.ts';
import { closestWord, formatPath, type Path } from './problem.ts';

/** A fault of shape, in words. `key` says that the position is that of the key, not of its value. */
export interface ShapeFault {
  path: Path;
  key: boolean;
  message: string;
  help?: string;
}

/**
 * Keys of the original bouheki for what this one does not do. Ignoring one would leave a host less guarded
 * than its owner believes.
 */
const UNSERVED: ReadonlyMap<string, string> = new Map([
  ['files', 'restricts access to files'],
  ['mount', 'restricts mounts'],
  ['domain', 'restricts destinations by domain name'],
  ['dns_proxy', 'runs a DNS proxy'],
  ['max_size', 'rotates the log'],
  ['max_age', 'rotates the log'],
]);

/** Says in words what a failed check of the shape found. One issue can be several faults. */
export function describeIssue(issue: z.core.$ZodIssue, schema: z.ZodType, value: unknown): ShapeFault[] {
  const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
  const found = valueAt(value, path);
  const where = path.length > 0 ? formatPath(path) : 'the policy';
  const fault = (message: string, help?: string): ShapeFault[] => [
    { path, key: false, message: `${where} ${message}`, ...(help === undefined ? {} : { help }) },
  ];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((name) => unknownKey(name, path, schema));
    case 'invalid_type':
      return fault(...wrongType(issue.expected, found, path));
    case 'invalid_value': {
      const values = issue.values.map(String);
      const close = typeof found === 'string' ? closestWord(found, values) : undefined;
      const message = `must be ${values.length > 1 ? 'one of ' : ''}${values.join(', ')}${quoted(found)}`;
      return fault(message, close && `did you mean ${close}?`);
    }
    case 'too_small':
      if (issue.origin === 'array') return fault(...emptyList(path));
      if (issue.origin === 'string') return fault('is an empty text');
      return fault(`must be at least ${issue.minimum}${quoted(found)}`);
    case 'too_big':
      if (issue.origin === 'string') return fault(`is longer than ${issue.maximum} characters`);
      return fault(`must be at most ${issue.maximum}${quoted(found)}`);
    default:
      return fault(`${issue.message}${quoted(found)}`, entryHelp(path, found));
  }
}

/** Message and help. */
function wrongType(expected: string, found: unknown, path: Path): [string, string | undefined] {
  if (found === undefined) return ['is missing', undefined];
  if (found === null) return ['has no value', 'give it one, or remove the key'];
  const help =
    setHelp(path, found) ?? idHelp(path, found) ?? typeHelp(expected, found) ?? entryHelp(path, found);
  return [`must be ${NOUNS[expected] ?? expected}, not ${nounOf(found)}`, help];
}

/** Message and help. */
function emptyList(path: Path): [string, string] {
  if (path[0] === 'sets') return ['is empty', 'put something in, or remove the set and what names it'];
  return ['is empty', 'remove the key to match everything, or name something'];
}

/** What to write instead of a text, by the list that it stands in. */
const INSTEAD: Readonly<Record<string, (text: string) => string | undefined>> = {
  uid: () => 'write the number: `id -u NAME` prints that of a user; in a rule, user: takes names',
  gid: () => 'write the number: `getent group NAME` prints that of a group; in a rule, group: takes names',
  port: (text) =>
    /^\s*\d+\s*-\s*\d+\s*$/.test(text)
      ? `write it without spaces: "${text.replaceAll(/\s/g, '')}"`
      : 'write the number; each port or range is an entry of its own',
  protocol: (text) => {
    const close = PROTOCOL_NAMES.find((name) => name === text.toLowerCase());
    return close === undefined ? 'write its IANA number' : `did you mean ${close}?`;
  },
};

/** What to do about a set that says no kind. */
function setHelp(path: Path, found: unknown): string | undefined {
  if (path[0] !== 'sets' || path.length !== 2 || !Array.isArray(found)) return undefined;
  return 'say what it is a list of: { cidr: [...] }, { port: [...] } or { name: [...] }';
}

/** What to do about a number that stands among the names of users or groups. */
function idHelp(path: Path, found: unknown): string | undefined {
  if (typeof found !== 'number') return undefined;
  const list = path.findLast((step) => typeof step === 'string');
  const ids = list === 'user' ? 'uid' : list === 'group' ? 'gid' : undefined;
  return ids && `numbers have a list of their own: ${ids}: [${found}]`;
}

/** What to do about a text that stands in a list of numbers. */
function entryHelp(path: Path, found: unknown): string | undefined {
  if (typeof found !== 'string') return undefined;
  const list = path.findLast((step) => typeof step === 'string' && Object.hasOwn(INSTEAD, step));
  if (list === undefined) return undefined;
  if (/^\d{1,10}$/.test(found)) return `write it without quotes: ${found}`;
  return INSTEAD[list]!(found);
}

function unknownKey(name: string, parent: Path, schema: z.ZodType): ShapeFault {
  const path = [...parent, name];
  const unserved = UNSERVED.get(name);
  if (unserved !== undefined) {
    const message = `"${name}" ${unserved} in the original bouheki; this one does not serve it`;
    return { path, key: true, message, help: 'remove it, and see to that restriction by other means' };
  }
  const known = keysAt(schema, parent);
  const close = closestWord(name, known);
  const help = close === undefined ? `known here: ${known.join(', ')}` : `did you mean ${close}?`;
  const place = parent.length > 0 ? ` in ${formatPath(parent)}` : '';
  return { path, key: true, message: `unknown key "${name.slice(0, 80)}"${place}`, help };
}

/** The keys that the schema knows for the map at `path`. */
function keysAt(schema: z.ZodType, path: Path): string[] {
  let def = unwrap(schema);
  for (const step of path) {
    if (def.element) def = unwrap(def.element);
    else if (def.shape?.[step]) def = unwrap(def.shape[step]);
  }
  return Object.keys(def.shape ?? {});
}

interface Definition {
  innerType?: z.ZodType;
  element?: z.ZodType;
  shape?: Record<string | number, z.ZodType>;
}

function unwrap(schema: z.ZodType): Definition {
  const def = schema.def as Definition;
  return def.innerType ? unwrap(def.innerType) : def;
}

const NOUNS: Readonly<Record<string, string>> = {
  array: 'a list',
  object: 'a map',
  record: 'a map',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
};

function nounOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  if (typeof value === 'string') return `the text ${JSON.stringify(value.slice(0, 80))}`;
  return typeof value === 'number' ? `the number ${value}` : String(value);
}

function typeHelp(expected: string, found: unknown): string | undefined {
  if (expected === 'string' && typeof found !== 'object') return `quote it: "${String(found)}"`;
  if (expected === 'array' && typeof found !== 'object')
    return `write it as a list: [${String(found).slice(0, 80)}]`;
  return undefined;
}

function quoted(value: unknown): string {
  if (typeof value === 'string') return `, not ${JSON.stringify(value.slice(0, 80))}`;
  return typeof value === 'number' || typeof value === 'boolean' ? `, not ${value}` : '';
}

function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const step of path) at = (at as Record<string | number, unknown> | null | undefined)?.[step];
  return at;
}
