import { HOURLY, sqlNames } from '../event/columns.ts';
import { CREDENTIAL_IDS, type Credential } from '../event/credential.ts';
import type { AncestorRow, AnswerRow, ContainerRow, FoldedRow, ProcessRow } from '../event/dimension.ts';
import { formatAddress } from '../../policy/value/address.ts';
import type { Cell, NameTable } from './row-writer.ts';

/** Characters of labels. */
const MAX_LABELS = 16_384;

/** For each member of a row the column that holds it and its cell there, in the order of the table. */
type Columns<Row> = {
  readonly [Name in keyof Required<Row>]: readonly [column: string, cell: (value: Row[Name]) => Cell];
};

/** A member that is stored as it is. */
const plain = <T extends Cell>(column: string): readonly [string, (value: T | undefined) => Cell] => [
  column,
  (value) => value,
];

/** Behind the row's id. */
const PROCESS: Columns<ProcessRow> = {
  key: plain('key'),
  pid: plain('pid'),
  parentPid: plain('parent_pid'),
  exe: plain('exe'),
  device: plain('device'),
  inode: plain('inode'),
  script: plain('script'),
  arguments: plain('arguments'),
  command: plain('command'),
  parentCommand: plain('parent_command'),
  nodename: plain('nodename'),
  mountNamespace: plain('mount_namespace'),
  pidNamespace: plain('pid_namespace'),
  cgroupId: plain('cgroup_id'),
  cgroupPath: plain('cgroup_path'),
  containerId: plain('container'),
  unit: plain('unit'),
  flags: plain('flags'),
  startedAt: ['started_at', BigInt],
  ancestors: ['ancestors', ancestorJson],
};

/** Behind the row's id and its version. */
const CONTAINER: Columns<ContainerRow> = {
  runtime: plain('runtime'),
  id: plain('container_id'),
  name: plain('name'),
  image: plain('image'),
  imageId: plain('image_id'),
  digest: plain('digest'),
  labels: ['labels', labelText],
  pod: plain('pod'),
  namespace: plain('namespace'),
  parent: plain('parent'),
};

/** The columns of tables behind the recording, in the order of the cells below. */
export const CELL_COLUMNS = {
  process: ['id', ...namesOf(PROCESS)],
  container: ['id', 'version', ...namesOf(CONTAINER)],
  credential: ['id', ...CREDENTIAL_IDS],
  hourly: sqlNames(HOURLY),
  name: ['id', 'text'],
  name_set: ['id', 'names'],
  answer: [
    'process',
    'resolver',
    'question',
    'chain',
    'family',
    'address',
    'ttl_min',
    'ttl_max',
    'count',
    'first',
    'last',
    'counts',
  ],
} as const satisfies Partial<Record<NameTable, readonly string[]>>;

/** A row of the table `process`. */
export function processCells(id: number, row: ProcessRow): Cell[] {
  return [id, ...cellsOf(PROCESS, row)];
}

/** A row of the table `container`; the one with the highest version holds. */
export function containerCells(id: number, version: number, row: ContainerRow): Cell[] {
  return [id, version, ...cellsOf(CONTAINER, row)];
}

/** A row of the table `credential`. */
export function credentialCells(id: number, credential: Credential): Cell[] {
  return [id, ...CREDENTIAL_IDS.map((name) => credential[name])];
}

/** A row of the table `hourly`. */
export function hourlyCells(row: FoldedRow): Cell[] {
  return Object.entries(HOURLY).map(([name, kind]) => {
    const value = row[name as keyof FoldedRow];
    return kind === BigInt64Array ? BigInt(Math.round(Number(value))) : value;
  });
}

/** Equal answers of an hour. Without `told` all that is known of them is how many there were. */
export interface AnswerCount {
  told?: Omit<AnswerRow, 'ttl' | 'time'>;
  /** Seconds. */
  ttlMin: number;
  ttlMax: number;
  count: number;
  /** Microseconds since the epoch. */
  first: number;
  last: number;
}

/** A row of the table `answer`. */
export function answerCells({ told, ttlMin, ttlMax, count, first, last }: AnswerCount): Cell[] {
  const numbers = [ttlMin, ttlMax, ...[count, first, last].map((number) => BigInt(Math.round(number)))];
  if (told === undefined)
    return [undefined, undefined, undefined, undefined, undefined, undefined, ...numbers, 0];
  const { process, resolver, question, chain, counts, family, address } = told;
  const text = family === 0 ? undefined : formatAddress({ family, value: address });
  return [process, formatAddress(resolver), question, chain, family, text, ...numbers, counts ? 1 : 0];
}

function namesOf<Row>(columns: Columns<Row>): string[] {
  return Object.values<readonly [string, unknown]>(columns).map(([name]) => name);
}

function cellsOf<Row>(columns: Columns<Row>, row: Row): Cell[] {
  return Object.entries<readonly [string, unknown]>(columns).map(([name, [, cell]]) =>
    (cell as (value: unknown) => Cell)(row[name as keyof Row]),
  );
}

/**
 * Labels as JSON, which DuckDB can look into. An image may bring any number of them: what is longer is not
 * kept.
 */
function labelText(labels: ContainerRow['labels']): string | undefined {
  const text = JSON.stringify(labels ?? {});
  return text === '{}' || text.length > MAX_LABELS ? undefined : text;
}

/** Undefined is not known; an empty list is none. */
function ancestorJson(ancestors: ProcessRow['ancestors']): string | undefined {
  return ancestors && JSON.stringify(ancestors.map(ancestorValue));
}

function ancestorValue({ command, exe, pid, primed, startedAt }: AncestorRow): object {
  return { pid, started_at: startedAt, command, exe: exe === '' ? undefined : exe, primed };
}
