import { coverRelation } from '../../../generator/boxes/cover.ts';
import { type Checks, timed } from './check.ts';
import { eventsOf, readData, type LogEvent } from './data.ts';
import { relationOf, tupleCount } from '../../arbitrary/relation.ts';

type Column = (event: LogEvent) => string;

const command: Column = (event) => event.command;
const user: Column = (event) => event.user;
const address: Column = (event) => event.addressText;
const port: Column = (event) => String(event.port);
const container: Column = (event) => event.container;

/** Numbers of boxes of real relations that are known to be the least possible. */
export function benchRules(checks: Checks): void {
  const linux = readData('sysflow_linux.csv.gz');
  const windows = readData('otrf_two_hosts.csv.gz');
  if (linux === undefined || windows === undefined) return;
  const sysflow = eventsOf(linux);
  const columns = [container, command, user, address, port];
  const nodejs = sysflow.filter(({ capture }) => capture.startsWith('nodejs/'));
  relation(checks, nodejs, columns, { name: 'SysFlow nodejs', tuples: 37, least: 13 });
  relation(checks, sysflow, columns, { name: 'SysFlow', tuples: 98, least: 43 });
  const controller = eventsOf(windows).filter(({ host }) => host.startsWith('MORDORDC'));
  const known = { name: 'OTRF MORDORDC', tuples: 218, least: 27 };
  relation(checks, controller, [command, user, address, port], known);
}

/** What is known of a relation. */
interface Known {
  name: string;
  tuples: number;
  /** The least possible number of boxes. */
  least: number;
}

function relation(
  checks: Checks,
  events: readonly LogEvent[],
  columns: readonly Column[],
  { least, name, tuples }: Known,
): void {
  const values = columns.map((column) => [...new Set(events.map(column))].sort());
  const numbers = values.map((list) => new Map(list.map((value, number) => [value, number])));
  const rows = events.map((event) => columns.map((column, axis) => numbers[axis]!.get(column(event))!));
  const full = relationOf(
    values.map((list) => list.length),
    rows,
  );
  const { milliseconds, result } = timed(() => coverRelation(full));
  checks.equal(`${name}: tuples`, tupleCount(full), tuples);
  checks.equal('  boxes', result.boxes.length, least);
  checks.equal('  proved bound', result.atLeast, least);
  const weight = result.boxes.reduce((sum, box) => sum + box.reduce((all, list) => all + list.length, 0), 0);
  const grid = values.reduce((product, list) => product * list.length, 1);
  console.log(
    `      values named ${weight}, ${milliseconds.toFixed(0)} ms; one box over all: x${Math.round(grid / tuples)} combinations`,
  );
}
