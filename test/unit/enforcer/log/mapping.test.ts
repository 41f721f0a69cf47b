/** The table of docs/log.md says where each field is in the standards, and that is where the log has it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ecsOf } from '../../../../enforcer/log/ecs.ts';
import type { VerdictEntry } from '../../../../enforcer/log/entry.ts';
import { jsonLines } from '../../../../enforcer/log/line.ts';
import { ocsfOf } from '../../../../enforcer/log/ocsf.ts';

const ROOT = join(import.meta.dirname, '../../../../..');
const AT = Date.UTC(2021, 8, 26, 13, 21, 58, 250);
const LABELS = { site: 'north' };
/** Each value is that of one field. */
const ENTRY: VerdictEntry = {
  action: 'BLOCKED',
  address: '203.0.113.7',
  name: 'api.example',
  command: 'curl',
  hostname: 'cdb99d181368',
  pid: 936_350,
  port: 4433,
  socket: 'raw',
  exe: '/usr/bin/curl7',
  uid: 1007,
  user: 'ada',
  protocol: 'udp',
  parentCommand: 'dash',
  ancestors: 'sh < sshd < systemd',
  container: 'web',
  image: 'docker.io/nginx:1',
  rule: 'cloud metadata',
  policy: 'a319adda2ef2',
  count: 12,
};

type Tree = { [key: string]: Tree | string | number } | string | number;

const JSON_LINE = JSON.parse(jsonLines(LABELS, () => AT).verdict(ENTRY)) as Record<string, string | number>;
const STANDARDS: [name: string, column: number, event: Tree][] = [
  ['ecs', 3, ecsOf(ENTRY, AT, LABELS) as Tree],
  ['ocsf', 4, ocsfOf(ENTRY, AT, LABELS, 'device') as Tree],
];

/** Every value with its path: `destination.ip`. What is in a list has the list's. */
function leaves(tree: Tree, path = ''): [path: string, value: string | number][] {
  if (typeof tree !== 'object') return [[path, tree]];
  return Object.entries(tree).flatMap(([key, each]) =>
    leaves(each, Array.isArray(tree) ? path : path === '' ? key : `${path}.${key}`),
  );
}

/** The names in a cell of the table: `a.b`, `.c` are a.b and a.c. */
function namesIn(cell: string): string[] {
  let before = '';
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => {
    if (!name!.startsWith('.')) before = name!.slice(0, name!.lastIndexOf('.'));
    // `container.name`, `.image.name`: from the beginning of the one before.
    return name!.startsWith('.') ? before + name! : name!;
  });
}

const TABLE = readFileSync(join(ROOT, 'docs/log.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| what |'))
  .map((line) => line.split(' | '));
const isBelow = (path: string, name: string) => path === name || path.startsWith(`${name}.`);

test('each field of a line of ours is in the table, and no other', () => {
  const listed = TABLE.flatMap(([, ours]) => namesIn(ours!)).toSorted();
  const known = Object.keys(JSON_LINE).filter((name) => !['level', 'msg', 'site'].includes(name));
  assert.deepEqual(listed, known.toSorted());
});

for (const [name, column, event] of STANDARDS) {
  test(`${name}: a field is where the table says, and every place that has it is in the table`, () => {
    const all = leaves(event);
    assert.ok(TABLE.length > 12);
    for (const row of TABLE) {
      const places = namesIn(row[column - 1]!);
      assert.deepEqual(
        places.filter((place) => !all.some(([path]) => isBelow(path, place))),
        [],
        `${row[0]}: no such place`,
      );
      // What is said in another way in each format.
      if (/^\| (when|denied|labels)/.test(row[0]!)) continue;
      for (const value of namesIn(row[1]!).map((field) => String(JSON_LINE[field]))) {
        const found = all.filter(([, each]) => String(each) === value).map(([path]) => path);
        assert.ok(found.length > 0, `${row[0]}: ${value} is nowhere`);
        assert.deepEqual(
          found.filter((path) => !places.some((place) => isBelow(path, place))),
          [],
          `${row[0]}: ${value} is elsewhere too`,
        );
      }
    }
  });
}
