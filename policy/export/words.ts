import { replaceUnsafe } from '../../error/visible.ts';
import { formatPrefix, type Prefix } from '../value/cidr.ts';
import { formatPortRange, type PortRange } from '../value/port.ts';
import { formatProtocol, hasPorts, PORT_PROTOCOLS } from '../value/protocol.ts';
import type { Note, PortableRule } from './rule.ts';

/** A name that others chose, in characters that end no comment, string or line of any of these languages. */
export function plain(name: string, longest: number): string {
  return replaceUnsafe(name, () => '?')
    .replace(/[^ -~]|["'\\`$<>]/g, '?')
    .slice(0, longest);
}

/** The prefixes of one family, as text; undefined where the rule is for every address. */
export function prefixesOf({ prefixes }: PortableRule, family: 4 | 6): string[] | undefined {
  return prefixes?.filter((prefix) => prefix.family === family).map(short);
}

/** `10.0.0.1` for a block of one address. */
export function short(prefix: Prefix): string {
  const text = formatPrefix(prefix);
  return text.replace(prefix.family === 4 ? /\/32$/ : /\/128$/, '');
}

/** One protocol, or every one, with all of its ports or those that are named. */
export interface Service {
  /** IANA number; absent: every protocol. */
  protocol?: number;
  ports?: readonly PortRange[];
}

/** What a rule is for, protocol by protocol: a rule with ports is for protocols that have some. */
export function servicesOf({ ports, protocols }: PortableRule): Service[] {
  if (ports === undefined) return protocols?.map((protocol) => ({ protocol })) ?? [{}];
  return (protocols ?? PORT_PROTOCOLS).filter(hasPorts).map((protocol) => ({ protocol, ports }));
}

/** `80` or `8000` and what `between` puts before the last: `8000-8010`, `8000:8010`. */
export function portText(range: PortRange, between = '-'): string {
  return formatPortRange(range).replace('-', between);
}

/** What is said above an export: what it is, how it is used, and what it does otherwise than the policy. */
export function heading(about: readonly string[], notes: readonly Note[]): string[] {
  return [...about, ...notes.map(describeNote)].map((line) => `# ${replaceUnsafe(line, () => '?')}`);
}

/** Adds a note once: a rule has several parts. */
export function addNote(notes: Note[], note: Note): void {
  const text = describeNote(note);
  if (!notes.some((each) => describeNote(each) === text)) notes.push(note);
}

/** `wider: rule "web": it holds for every process: exe cannot be told`. */
export function describeNote({ effect, rule, what }: Note): string {
  return `${effect}: ${rule === undefined ? '' : `rule "${rule}": `}${what}`;
}

/** The services that can be written, by `name`; a note for those that can't. */
export function named(
  rule: PortableRule,
  names: ReadonlyMap<number, string>,
  notes: Note[],
): { protocol?: string; ports?: readonly PortRange[] }[] {
  const lost: string[] = [];
  const found = servicesOf(rule).flatMap(({ protocol, ports }) => {
    if (protocol === undefined) return [{}];
    const name = names.get(protocol);
    if (name === undefined) lost.push(formatProtocol(protocol));
    return name === undefined ? [] : [{ protocol: name, ...(ports && { ports }) }];
  });
  // Of a rule that names none, those that are not to be had are no surprise where there is one.
  if (lost.length > 0 && (rule.protocols !== undefined || found.length === 0)) {
    const what = `${lost.join(', ')} cannot be told, and ${rule.action === 'allow' ? 'is left out' : 'is not denied'}`;
    addNote(notes, { effect: rule.action === 'allow' ? 'narrower' : 'wider', rule: rule.name, what });
  }
  return found;
}
