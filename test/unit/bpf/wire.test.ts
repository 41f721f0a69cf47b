import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import * as wire from '../../../bpf/wire.ts';
import { formatAddress } from '../../../policy/value/address.ts';
import { Operation } from '../../../profiler/event/batch.ts';
import { type Btf, type BtfStruct, readBtf } from './btf.ts';

const ROOT = join(import.meta.dirname, '../../../..');

const header = ['bpf/program/wire.h', 'bpf/program/name/wire.h', 'bpf/program/guard/wire.h']
  .map((file) => readFileSync(join(ROOT, file), 'utf8'))
  .join('\n');
const declared = (kind: 'struct' | 'enum') =>
  [...header.matchAll(new RegExp(`^${kind} (\\w+) \\{`, 'gm'))].map(([, name]) => name!);

/** Every struct of wire.h that wire.ts mirrors. */
const LAYOUTS: Record<string, wire.Layout<string>> = {
  connection: wire.Connection,
  process: wire.Process,
  ancestor: wire.Ancestor,
  cgroup_made: wire.CgroupMade,
  file_object: wire.FileObject,
  open_file: wire.OpenFile,
  running_program: wire.RunningProgram,
  identity: wire.Identity,
  lineage: wire.Lineage,
  image: wire.Image,
  script: wire.Script,
  interpreter: wire.Interpreter,
  answer: wire.Answer,
  known_key: wire.KnownKey,
  known_address: wire.KnownAddress,
  pattern_key: wire.PatternKey,
  resolver_key: wire.ResolverKey,
  resolver: wire.ResolverValue,
  naming: wire.Naming,
  guarded: wire.Guarded,
  guard: wire.Guard,
  fold: wire.Fold,
  repeat: wire.Repeat,
  knobs: wire.Knobs,
  control: wire.Control,
  subject_key: wire.SubjectKey,
  expected_cgroup: wire.ExpectedCgroup,
  vector: wire.Vector,
  tables: wire.Tables,
  tables6: wire.Tables6,
  tables6_low: wire.Tables6Low,
};

/** Used as a key on kernels without task storage only, which the daemon never writes. */
const NOT_MIRRORED = ['leader_key'];

const IN_MAPS = [
  'identity',
  'script',
  'interpreter',
  'connection',
  'fold',
  'repeat',
  'known_key',
  'known_address',
  'knobs',
  'control',
  'subject_key',
  'expected_cgroup',
  'vector',
  'tables',
  'tables6',
  'tables6_low',
];

const defines = new Map(
  [...header.matchAll(/^#define (\w+)\s+(0x[0-9a-f]+|\d+)\b/gm)].map(([, name, value]) => [
    name!,
    Number(value),
  ]),
);

/** `lostConnection` as `LOST_CONNECTION`, `source-route` as `SOURCE_ROUTE`. */
const asC = (name: string) =>
  name
    .replace(/[A-Z]/g, (letter) => `_${letter}`)
    .replaceAll('-', '_')
    .toUpperCase();

/** BTF of the whole header: an object only describes what its maps and globals hold, not of the records in its rings. */
function compiledHeader(t: TestContext): Btf | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const object = join(folder, 'wire.o');
  const variables = (['struct', 'enum'] as const).flatMap((kind) =>
    declared(kind).map((name) => `${kind} ${name} ${kind}_${name};`),
  );
  const source = [
    '#include <linux/types.h>',
    '#include "wire.h"',
    '#include "guard/wire.h"',
    ...variables,
    '',
  ].join('\n');
  const flags = ['-g', '-O2', '-target', 'bpf', '-Ibpf/program', '-I/usr/include/x86_64-linux-gnu'];
  const { error, status, stderr } = spawnSync('clang', [...flags, '-x', 'c', '-c', '-', '-o', object], {
    cwd: ROOT,
    input: source,
    encoding: 'utf8',
  });
  if (error) {
    t.skip('clang is not installed');
    return undefined;
  }
  assert.equal(status, 0, stderr);
  return readBtf(readFileSync(object));
}

function assertLayout(name: string, { size, members }: BtfStruct): void {
  const layout = LAYOUTS[name]!;
  const offsets = [...members].map(([member, { offset }]) => [member, offset]);
  assert.deepEqual(layout.offset, Object.fromEntries(offsets), name);
  assert.equal(layout.size, size, `size of ${name}`);
  // Padding has fields of its own: each member ends where the next begins, which fixes the lengths of all arrays.
  const ends = [...Object.values(layout.offset).slice(1), layout.size];
  for (const [index, [member, each]] of [...members].entries()) {
    assert.equal(ends[index], each.offset + each.size * each.count, `end of ${name}.${member}`);
  }
}

test('sizes, offsets and array lengths of wire.ts are those of wire.h', (t) => {
  const btf = compiledHeader(t);
  for (const name of btf ? Object.keys(LAYOUTS) : []) assertLayout(name, btf!.structs.get(name)!);
});

test('kinds, counters and slots of wire.ts are the enumerators of wire.h', (t) => {
  const btf = compiledHeader(t);
  if (!btf) return;
  const mirrored: Record<string, number | undefined> = {
    SUBJECT_KINDS: wire.SUBJECT_KINDS,
    COUNTERS: wire.COUNTERS,
    NAME_COUNTERS: wire.NAME_COUNTERS,
    PORT_SLOTS: wire.PORT_SLOTS,
    SOCKET_KINDS: wire.SOCKET_KINDS,
    SHARES: wire.SHARES,
    PORT_TCP: wire.PORT_SLOT.get(6),
    PORT_UDP: wire.PORT_SLOT.get(17),
    PORT_SCTP: wire.PORT_SLOT.get(132),
    PORT_UDPLITE: wire.PORT_SLOT.get(136),
    PORT_DCCP: wire.PORT_SLOT.get(33),
  };
  for (const [name, value] of Object.entries(wire.RecordKind)) mirrored[`RECORD_${asC(name)}`] = value;
  for (const [name, value] of Object.entries(wire.SubjectKind)) mirrored[`SUBJECT_${asC(name)}`] = value;
  for (const [name, value] of Object.entries(wire.ShareKind)) mirrored[`SHARE_${asC(name)}`] = value;
  for (const [name, value] of Object.entries(wire.Counter)) mirrored[asC(name)] = value;
  for (const [name, value] of Object.entries(wire.NameCounter)) mirrored[asC(name)] = value;
  for (const [name, value] of Object.entries(wire.SocketKind)) mirrored[`SOCKET_${asC(name)}`] = value;
  for (const [name, value] of Object.entries(Operation)) mirrored[`OPERATION_${asC(name)}`] = value;
  for (const [name, value] of btf.enumerators) {
    if (!name.startsWith('VERDICT_')) assert.equal(mirrored[name], value, name);
  }
});

for (const object of readdirSync(join(ROOT, 'dist/bpf')).filter((file) => file.endsWith('.bpf.o'))) {
  test(`maps and globals of ${object} have the layouts of wire.ts`, () => {
    const { structs } = readBtf(readFileSync(join(ROOT, 'dist/bpf', object)));
    for (const name of object.startsWith('egress') ? IN_MAPS : [])
      assert.ok(structs.has(name), `no struct ${name}: build it anew`);
    for (const [name, struct] of structs) if (name in LAYOUTS) assertLayout(name, struct);
  });
}

test('all objects are built', () => {
  for (const object of [
    'egress.bpf.o',
    'egress-legacy.bpf.o',
    'egress-fmod.bpf.o',
    'egress-fmod-legacy.bpf.o',
    'names.bpf.o',
    'guard.bpf.o',
    'guard-fmod.bpf.o',
  ]) {
    assert.ok(existsSync(join(ROOT, 'dist/bpf', object)), `${object} is missing: npm run build:bpf`);
  }
});

test('limits of wire.ts are the #defines of wire.h', () => {
  const names = Object.keys(wire).filter((name) => /^[A-Z0-9_]+$/.test(name) && defines.has(name));
  assert.ok(names.length >= 9, names.join());
  for (const name of names) {
    if (name !== 'CANARY_ADDRESS') assert.equal(Reflect.get(wire, name), defines.get(name), name);
  }
  assert.equal(wire.MAX_BOXES, wire.VECTOR_WORDS * 64);
  assert.equal(
    wire.CANARY_ADDRESS,
    formatAddress({ family: 4, value: BigInt(defines.get('CANARY_ADDRESS')!) }),
  );
});

test('flags of wire.ts are the #defines of wire.h, all of them', () => {
  for (const [prefix, flags] of Object.entries({
    CONNECTION_: wire.ConnectionFlag,
    PROCESS_: wire.ProcessFlag,
    SIDE_: wire.SideFlag,
    ANSWER_: wire.AnswerFlag,
  })) {
    const mirrored = Object.entries(flags).map(([name, value]) => [prefix + asC(name), value]);
    const defined = [...defines].filter(([name]) => name.startsWith(prefix));
    assert.deepEqual(Object.fromEntries(mirrored), Object.fromEntries(defined));
  }
});

test('every struct of wire.h is mirrored or said not to be', () => {
  assert.deepEqual(declared('struct').toSorted(), [...Object.keys(LAYOUTS), ...NOT_MIRRORED].toSorted());
});

test('the kernel side finds the lowest bit of every word', () => {
  const source = readFileSync(join(ROOT, 'bpf/program/decide.bpf.h'), 'utf8');
  const table = /index\[64\] = \{([^}]*)\}/.exec(source)![1]!.match(/\d+/g)!.map(Number);
  const factor = BigInt(/\* (0x[0-9a-f]{16})ULL\) >> 58/.exec(source)![1]!);
  for (let bit = 0; bit < 64; bit += 1) {
    for (const above of [0n, 1n, 0x5555_5555_5555_5555n, (1n << 64n) - 1n]) {
      const word = BigInt.asUintN(64, (1n << BigInt(bit)) | (above << BigInt(bit + 1)));
      const lowest = BigInt.asUintN(64, word & -word);
      assert.equal(table[Number(BigInt.asUintN(64, lowest * factor) >> 58n)], bit);
    }
  }
});
