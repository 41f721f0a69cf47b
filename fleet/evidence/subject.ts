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
  readonly #byText: ReadonlyMap<string, Subject>;

  /** `documents`: canonical JSON, of each subject once or more. */
  constructor(documents: Iterable<string>) {
    const parsed = new Map<string, SubjectDocument>();
    for (const text of documents)
      if (!parsed.has(text)) parsed.set(text, JSON.parse(text) as SubjectDocument);
    this.#ids = { user: idsOf('user', parsed.values()), group: idsOf('group', parsed.values()) };
    this.accounts = new Accounts(
      (['user', 'group'] as const).flatMap((kind) =>
        [...this.#ids[kind]].map(([name, id]) => ({ kind, id, name })),
      ),
    );
    this.#byText = new Map([...parsed].map(([text, document]) => [text, this.#subjectOf(document)]));
  }

  /** Equal documents get the same object. */
  of(document: string): Subject {
    return this.#byText.get(document)!;
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

function idsOf(kind: Kind, documents: Iterable<SubjectDocument>): Map<string, number> {
  const names = new Set<string>();
  for (const document of documents)
    for (const key of NAMES[kind]) if (document[key]) names.add(document[key]);
  names.delete('root');
  const numbered = [...names].sort().map((name, index): [string, number] => [name, FIRST_NAME + index]);
  return new Map([['root', 0], ...numbered]);
}
