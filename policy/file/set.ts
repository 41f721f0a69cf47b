import type { NamedSet, To } from '../meaning/policy.ts';
import { SET_KINDS, type SetKind } from './document.ts';
import { isSetName, isSetReference, setNameOf, setReference } from '../value/set-name.ts';
import { readNames, readPorts, readPrefixes, type Report } from './entry.ts';
import { closestWord, type Path } from './problem.ts';
import type { SetsText, SetText } from './schema.ts';

/** What a list of each kind stands for. */
interface Values {
  cidr: NonNullable<To['prefixes']>;
  port: NonNullable<To['ports']>;
  name: NonNullable<To['names']>;
}

interface ReadSet {
  kind: SetKind;
  values: Values[SetKind];
  used: boolean;
}

/** The sets of a policy, for the lists that name them. */
export class Sets {
  readonly #sets = new Map<string, ReadSet>();

  /** `reportKey`: a problem with a key rather than with its value. */
  constructor(texts: SetsText, report: Report, reportKey: Report) {
    for (const [name, text] of Object.entries(texts)) {
      const path = ['sets', name];
      if (!isSetName(name)) {
        const help =
          'begin it with a letter or digit, and use letters, digits, "-", "_" and "." only, at most 63';
        reportKey('error', path, `${quote(name)} cannot be the name of a set`, help);
        continue;
      }
      const read = readSet(name, text, { report, reportKey });
      if (read) this.#sets.set(name, read);
    }
  }

  /** What a reference stands for, in a list of this kind at `path`; nothing after a problem. */
  resolve<K extends SetKind>(kind: K, reference: string, path: Path, report: Report): Values[K] | [] {
    const name = setNameOf(reference);
    const set = this.#sets.get(name);
    if (set === undefined) {
      report('error', path, `there is no set ${quote(name)}`, this.#unknownHelp(kind, name));
      return [];
    }
    set.used = true;
    if (set.kind === kind) return set.values as Values[K];
    const message = `${reference} is a set of kind ${set.kind}, and this is a list of kind ${kind}`;
    report('error', path, message, `name it in ${set.kind}, or make a set with ${kind}`);
    return [];
  }

  /** The sets that a list names, for explanations. Those that are not there have been reported. */
  named(kind: SetKind, list: readonly (string | number)[] | undefined): NamedSet[] {
    return (list ?? []).filter(isSetReference).flatMap((reference): NamedSet[] => {
      const set = this.#sets.get(setNameOf(reference));
      return set?.kind === kind ? [{ name: reference, to: { [DIMENSIONS[kind]]: set.values } }] : [];
    });
  }

  /** Reports the sets that no list names. */
  reportUnused(reportKey: Report): void {
    for (const [name, { used }] of this.#sets) {
      if (used) continue;
      reportKey('warning', ['sets', name], `no rule names the set ${quote(name)}`, 'remove it');
    }
  }

  #unknownHelp(kind: SetKind, name: string): string {
    const close = closestWord(name, this.#sets.keys());
    if (close !== undefined) return `did you mean "${setReference(close)}"?`;
    return `define it: sets: { ${isSetName(name) ? name : 'NAME'}: { ${kind}: [...] } }`;
  }
}

/** The dimension that a list of each kind is about. */
const DIMENSIONS = { cidr: 'prefixes', port: 'ports', name: 'names' } as const satisfies Record<
  SetKind,
  keyof NamedSet['to']
>;

function readSet(
  name: string,
  text: SetText,
  { report, reportKey }: { report: Report; reportKey: Report },
): ReadSet | undefined {
  const path = ['sets', name];
  const kinds = SET_KINDS.filter((kind) => text[kind] !== undefined);
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) {
    const message =
      kind === undefined
        ? `the set ${quote(name)} is empty`
        : `the set ${quote(name)} has ${kinds.join(' and ')}, and a set is of one kind`;
    reportKey('error', path, message, 'give it one of cidr, port, name');
    return undefined;
  }
  const list = text[kind]!;
  const inner = list.findIndex(isSetReference);
  if (inner >= 0) {
    const message = `the set ${quote(name)} names another set, ${String(list[inner])}`;
    const help =
      'write its values out, or name both sets in the rules: what a set holds must stand in one place';
    report('error', [...path, kind, inner], message, help);
    return undefined;
  }
  return { kind, values: READERS[kind](text, [...path, kind], report), used: false };
}

const READERS: { [K in SetKind]: (text: SetText, path: Path, report: Report) => Values[K] } = {
  cidr: ({ cidr }, path, report) => readPrefixes(cidr!, path, report),
  port: ({ port }, path, report) => readPorts(port!, path, report),
  name: ({ name }, path, report) => readNames(name!, path, report),
};

function quote(name: string): string {
  return JSON.stringify(name.slice(0, 80));
}
