import { plainPath } from '../../bpf/interpreter.ts';
import { ProcessFlag } from '../../bpf/wire.ts';
import { CELL_COLUMNS } from '../database/name-cells.ts';
import type { Cell, NameTable, Settled } from '../database/row-writer.ts';
import type { AccountKind } from '../event/credential.ts';
import { optional } from '../read/history.ts';
import { UNKNOWN_ID, type Subject } from '../read/observation.ts';

/** Subjects that are kept made up; all are forgotten then. */
const MOST_SUBJECTS = 65_536;

/** The columns of the tables whose rows events name; what is not needed of a row is NULL. */
const COLUMNS = {
  process: CELL_COLUMNS.process,
  container: CELL_COLUMNS.container,
  command: ['id', 'text'],
  credential: CELL_COLUMNS.credential,
  account: ['kind', 'id', 'name'],
  name: CELL_COLUMNS.name,
  name_set: CELL_COLUMNS.name_set,
  box: ['box', 'name'],
} as const satisfies Partial<Record<NameTable, readonly string[]>>;
type Table = keyof typeof COLUMNS;

/** Of a process and a container what is kept; the arguments and the ancestors of many would take much memory. */
const NEEDED: ReadonlySet<string> = new Set([
  'id',
  'pid',
  'exe',
  'script',
  'container',
  'unit',
  'cgroup_path',
  'flags',
  'container_id',
  'name',
  'image',
  'parent',
]);

/** For each table that `NameMirror.add` keeps, what to select of it. */
export const SELECTED: readonly (readonly [Table, readonly string[]])[] = Object.entries(COLUMNS).map(
  ([table, columns]) => [
    table as Table,
    table === 'process' || table === 'container'
      ? columns.map((column) => (NEEDED.has(column) ? column : `NULL AS ${column}`))
      : columns,
  ],
);

interface Process {
  pid: number | undefined;
  exe: string | undefined;
  script: string | undefined;
  container: number | undefined;
  unit: string | undefined;
  cgroup: string | undefined;
  inContainer: boolean;
}

interface Container {
  name: string | undefined;
  image: string | undefined;
  parent: number | undefined;
}

type Ids = Pick<Subject, 'uid' | 'euid' | 'fsuid' | 'gid' | 'egid' | 'fsgid'>;

/** What the numbers of a recording's events stand for: the rows of its tables of names, as they are written. */
export class NameMirror {
  readonly #processes = new Map<number, Process>();
  readonly #containers = new Map<number, Container>();
  readonly #commands = new Map<number, string>();
  readonly #credentials = new Map<number, Ids>();
  readonly #names = new Map<number, string>();
  readonly #sets = new Map<number, readonly number[]>();
  readonly #boxes = new Map<number, string>();
  readonly #accounts = { user: new Map<number, string>(), group: new Map<number, string>() };
  /** Equal texts once: many processes run one program. */
  readonly #texts = new Map<string, string>();
  readonly #subjects = new Map<string, Subject>();

  /** Takes a row; rows of other tables are left out. A row that is known already is replaced. */
  add(table: NameTable, cells: readonly Cell[]): void {
    const id = cells[0] as number;
    switch (table) {
      case 'process':
        this.#processes.set(id, this.#processOf(cells));
        break;
      case 'container':
        this.#containers.set(id, this.#containerOf(cells));
        this.#subjects.clear();
        break;
      case 'command':
        this.#commands.set(id, (cells[1] as string | undefined) ?? '');
        break;
      case 'credential':
        this.#credentials.set(id, idsOf(cells));
        break;
      case 'account':
        this.#accounts[cells[0] as AccountKind].set(cells[1] as number, cells[2] as string);
        break;
      case 'name':
        this.#names.set(id, cells[1] as string);
        break;
      case 'name_set':
        this.#sets.set(id, cells[1] as readonly number[]);
        break;
      case 'box':
        this.#boxes.set(id, cells[1] as string);
        break;
      default:
    }
  }

  /** Forgets processes that no later event names. */
  settle({ last, kept }: Settled): void {
    const stays = new Set(kept);
    for (const id of this.#processes.keys()) if (id <= last && !stays.has(id)) this.#processes.delete(id);
    this.#subjects.clear();
  }

  /** Forgets sets of names up to this row id. */
  retireNames(last: number): void {
    for (const id of this.#sets.keys()) if (id <= last) this.#sets.delete(id);
  }

  /** The same object for equal numbers, until something more becomes known of them. */
  subject(process: number, command: number, credential: number): Subject {
    const key = `${process} ${command} ${credential}`;
    let subject = this.#subjects.get(key);
    if (subject === undefined) {
      if (this.#subjects.size >= MOST_SUBJECTS) this.#subjects.clear();
      subject = this.#subjectOf(process, command, credential);
      this.#subjects.set(key, subject);
    }
    return subject;
  }

  /** Undefined where the process is not known. */
  pid(process: number): number | undefined {
    return this.#processes.get(process)?.pid;
  }

  /** The best one first; none for 0. */
  namesOf(set: number): string[] {
    return (this.#sets.get(set) ?? []).flatMap((id) => this.#names.get(id) ?? []);
  }

  rule(box: number): string | undefined {
    return this.#boxes.get(box);
  }

  /** What this host calls a user or a group, where it is known. */
  account(kind: AccountKind, id: number): string | undefined {
    return this.#accounts[kind].get(id);
  }

  #subjectOf(process: number, command: number, credential: number): Subject {
    const known = this.#processes.get(process);
    const container = this.#containerWith(known?.container);
    return {
      command: this.#commands.get(command) ?? '',
      ...optional('exe', known?.exe),
      ...optional('script', known?.script),
      ...(this.#credentials.get(credential) ?? { uid: UNKNOWN_ID, gid: UNKNOWN_ID }),
      inContainer: known?.inContainer ?? false,
      ...optional('container', container?.name),
      ...optional('image', container?.image),
      ...optional('unit', known?.unit),
      ...optional('cgroup', known?.cgroup),
    };
  }

  /** Of a container inside a container that which policies know. */
  #containerWith(id: number | undefined): Container | undefined {
    const own = id === undefined ? undefined : this.#containers.get(id);
    return own?.parent === undefined ? own : (this.#containers.get(own.parent) ?? own);
  }

  #processOf(cells: readonly Cell[]): Process {
    const cell = cellIn(COLUMNS.process, cells);
    const container = cell('container') as number | undefined;
    const flags = (cell('flags') as number | undefined) ?? 0;
    return {
      pid: cell('pid') as number | undefined,
      exe: this.#path(cell('exe')),
      script: this.#path(cell('script')),
      container,
      unit: this.#text(cell('unit')),
      cgroup: this.#text(cell('cgroup_path')),
      inContainer: container !== undefined || (flags & ProcessFlag.inContainer) !== 0,
    };
  }

  #containerOf(cells: readonly Cell[]): Container {
    const cell = cellIn(COLUMNS.container, cells);
    return {
      name: this.#text(cell('name')),
      image: this.#text(cell('image')),
      parent: cell('parent') as number | undefined,
    };
  }

  #path(cell: Cell): string | undefined {
    const text = this.#text(cell);
    return text === undefined ? undefined : plainPath(text);
  }

  /** Empty text is unknown. */
  #text(cell: Cell): string | undefined {
    if (cell === undefined || cell === '') return undefined;
    const text = cell as string;
    const same = this.#texts.get(text);
    if (same !== undefined) return same;
    if (this.#texts.size >= MOST_SUBJECTS) this.#texts.clear();
    this.#texts.set(text, text);
    return text;
  }
}

function cellIn<Name extends string>(columns: readonly Name[], cells: readonly Cell[]): (name: Name) => Cell {
  return (name) => cells[columns.indexOf(name)];
}

/** Ids that are told where they differ from these, as in Subject. */
function idsOf(cells: readonly Cell[]): Ids {
  const [uid, euid, fsuid, gid, egid, fsgid] = cells.slice(1) as number[];
  return {
    uid: uid!,
    gid: gid!,
    ...(euid !== uid && { euid: euid! }),
    ...(egid !== gid && { egid: egid! }),
    ...(fsuid !== euid && { fsuid: fsuid! }),
    ...(fsgid !== egid && { fsgid: fsgid! }),
  };
}
