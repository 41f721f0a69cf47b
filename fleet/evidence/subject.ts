import { FIRST_NAME } from '../../generator/fleet/user-name.ts';
import { withInstances } from '../../generator/fleet/instance-name.ts';
import { Accounts, type Subject, UNKNOWN_ID } from '../../profiler/read/observation.ts';
import type { SubjectDocument } from '../wire/subject-document.ts';

type Kind = 'user' | 'group';

/** In which members of a document names of users and of groups stand. */
const NAMES = { user: ['user', 'euser'], group: ['group', 'egroup'] } as const;

/**
 * Subjects of a fleet as the generator takes them. Each name of a user gets a number that no host has, root its own; the
 * same numbers for the same names, in whatever order they come.
 */
export class FleetSubjects {
  readonly accounts: Accounts;
  readonly #ids: Record<Kind, Map<string, number>>;
  readonly #byText: ReadonlyMap<string, Subject | undefined>;

  /** `documents`: canonical JSON, of each subject once or more. */
  constructor(documents: Iterable<string>) {
    const parsed = new Map<string, SubjectDocument | undefined>();
    for (const text of documents) if (!parsed.has(text)) parsed.set(text, readSubject(text));
    const read = [...parsed.values()].filter((each) => each !== undefined);
    this.#ids = { user: idsOf('user', read), group: idsOf('group', read) };
    this.accounts = new Accounts(
      (['user', 'group'] as const).flatMap((kind) =>
        [...this.#ids[kind]].map(([name, id]) => ({ kind, id, name })),
      ),
    );
    this.#byText = new Map(
      [...parsed].map(([text, document]) => [text, document && this.#subjectOf(document)]),
    );
  }

  /** Equal documents get the same object; one that is no subject gets none. */
  of(document: string): Subject | undefined {
    return this.#byText.get(document);
  }

  #subjectOf(document: SubjectDocument): Subject {
    const { container, cgroup, exe, image, inContainer = false, script, undeleted, unit } = document;
    const uid = this.#id('user', document.user, document.uid) ?? UNKNOWN_ID;
    const gid = this.#id('group', document.group, document.gid) ?? UNKNOWN_ID;
    const euid = this.#id('user', document.euser, document.euid);
    const egid = this.#id('group', document.egroup, document.egid);
    return withInstances({
      command: document.command,
      uid,
      gid,
      inContainer,
      ...(euid !== undefined && euid !== uid && { euid }),
      ...(egid !== undefined && egid !== gid && { egid }),
      ...(exe !== undefined && { exe }),
      ...(undeleted && { undeleted }),
      ...(script !== undefined && { script }),
      ...(container !== undefined && { container }),
      ...(image !== undefined && { image }),
      ...(unit !== undefined && { unit }),
      ...(cgroup !== undefined && { cgroup }),
    });
  }

  #id(kind: Kind, name: string | undefined, id: number | undefined): number | undefined {
    return name === undefined ? id : this.#ids[kind].get(name);
  }
}

/** Which members of a document are what: hosts write them, and a hub looks at little of it. */
const MEMBERS = {
  command: 'string',
  exe: 'string',
  undeleted: 'boolean',
  script: 'string',
  uid: 'number',
  gid: 'number',
  user: 'string',
  group: 'string',
  euid: 'number',
  egid: 'number',
  euser: 'string',
  egroup: 'string',
  inContainer: 'boolean',
  container: 'string',
  image: 'string',
  unit: 'string',
  cgroup: 'string',
} as const satisfies Record<keyof SubjectDocument, string>;

/** The document in a text; undefined where it is none. */
export function readSubject(text: string): SubjectDocument | undefined {
  const document = parseObject(text);
  const fits = Object.entries(document).every(
    ([key, value]) =>
      Object.hasOwn(MEMBERS, key) &&
      typeof value === MEMBERS[key as keyof SubjectDocument] &&
      (typeof value !== 'number' || isId(value)),
  );
  return fits && typeof document['command'] === 'string'
    ? (document as unknown as SubjectDocument)
    : undefined;
}

function parseObject(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    return {};
  }
}

/** Numbers beyond those of users stand for names here. */
function isId(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= UNKNOWN_ID;
}

function idsOf(kind: Kind, documents: Iterable<SubjectDocument>): Map<string, number> {
  const names = new Set<string>();
  for (const document of documents)
    for (const key of NAMES[kind]) if (document[key]) names.add(document[key]);
  names.delete('root');
  const numbered = [...names].sort().map((name, index): [string, number] => [name, FIRST_NAME + index]);
  return new Map([['root', 0], ...numbered]);
}
