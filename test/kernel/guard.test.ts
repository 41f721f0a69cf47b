/** A guard keeps other processes of root from undoing what a process keeps, but for those that give its key. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Egress } from '../../bpf/egress.ts';
import { Guard } from '../../bpf/guard/guard.ts';
import { GuardKey } from '../../bpf/guard/key.ts';
import { check, libbpf } from '../../bpf/libbpf.ts';
import { objectId } from '../../bpf/object.ts';
import { Pins } from '../../bpf/pin/pins.ts';
import { hostAttachment } from '../../bpf/probe.ts';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { loadEnforcing } from './enforcing.ts';
import type { Targets } from './guard/attempts.ts';

const KEY = GuardKey.parse(randomBytes(32).toString('hex'))!;

let guard: Guard;
let egress: Egress;
let pins: Pins;
let targets: Targets;

before(() => {
  const { attachment } = hostAttachment();
  assert.ok(attachment.backend !== 'cgroup');
  guard = Guard.load(attachment.backend, KEY);
  egress = loadEnforcing();
  egress.attachBackstop(cgroupRoot());
  pins = Pins.create();
  pins.describe({
    version: '0',
    scope: 'host',
    backend: attachment.backend,
    db: '/nowhere',
    policy: { hash: '0', file: '/nowhere', mode: 'block' },
    since: 0,
    guarded: true,
  });
  const links = [...guard.links, ...egress.links];
  pins.add(links);
  guard.cover(links);
  guard.coverPins(pins.folder, pins.aboutFd);
  pins.complete();
  const place = links.findIndex(({ program }) => program === 'backstop');
  targets = {
    pid: process.pid,
    folder: pins.folder,
    map: objectId(egress.subjects.fd),
    program: firstProgram(),
    link: objectId(links[place]!.fd),
    ftrace: Guard.keepsFtrace,
    pin: join(pins.folder, `${String(place).padStart(3, '0')}_backstop`),
  };
  assert.ok(existsSync(targets.pin), targets.pin);
});

/** A program that was loaded by this process: the first that another one is refused, or the last there is. */
function firstProgram(): number {
  const info = Buffer.alloc(24);
  const { fd } = egress.links[0]!;
  check('bpf_obj_get_info_by_fd', libbpf().bpf_obj_get_info_by_fd(fd, info, Uint32Array.of(info.length)));
  // struct bpf_link_info: kind, id, id of the program.
  return info.readUInt32LE(8);
}

after(() => {
  pins.remove();
  pins[Symbol.dispose]();
  egress[Symbol.dispose]();
  guard[Symbol.dispose]();
});

function attempts(key?: GuardKey): Record<string, string> {
  const words = [JSON.stringify(targets), ...(key === undefined ? [] : [JSON.stringify(key.text)])];
  const script = join(import.meta.dirname, 'guard/attempts.js');
  const { stderr, stdout } = spawnSync(process.execPath, [script, ...words], { encoding: 'utf8' });
  assert.equal(stderr, '');
  return JSON.parse(stdout) as Record<string, string>;
}

/** What no stranger may do, and what anybody may. */
const REFUSED = [
  'a map by its id',
  'a program by its id',
  'a link by its id',
  'to write what it is about',
  'a link by its pin, to exchange its program',
  'a link by its pin, to detach it',
  'to rename the pins',
  'to rename the folder of all pins',
  'to remove the folder',
  'a descriptor out of its process',
];
const REFUSED_TO_TOOLS = ['to unmount bpffs', 'to unmount what bpffs is mounted on', 'to remove a pin'];
const OPEN = ['to read what it is about', 'a map of its own'];

function assertRefused(outcomes: Record<string, string>): void {
  for (const what of REFUSED) assert.equal(outcomes[what], 'EPERM', what);
  for (const what of REFUSED_TO_TOOLS)
    assert.match(outcomes[what]!, /not permitted|must be superuser|permission denied/i, what);
  // The kernel says EACCES where the memory of a process is closed.
  assert.match(outcomes['its memory']!, /^E(?:PERM|ACCES)$/);
  assert.equal(outcomes['to switch ftrace off'], Guard.keepsFtrace ? 'EPERM' : undefined);
  assert.equal(outcomes['to be asked before it'], 'bpf_object__load: EPERM');
  for (const what of OPEN) assert.equal(outcomes[what], 'done', what);
}

test('another process of root can undo nothing, and is counted', () => {
  const before = guard.refusals.count;
  assertRefused(attempts());
  const { command, count, pid } = guard.refusals;
  assert.ok(count - before >= REFUSED.length + REFUSED_TO_TOOLS.length, `${count - before} refusals`);
  assert.ok(pid > 0 && command !== '', `${pid} ${command}`);
});

test('a key that is not the right one admits nobody', () => {
  const wrong = Buffer.from(KEY.bytes);
  wrong[31]! ^= 1;
  const outcomes = attempts(GuardKey.parse(wrong.toString('hex')));
  assert.equal(outcomes['a map by its id'], 'EPERM');
  assert.equal(outcomes['its memory'] === 'done', false);
});

test('what is made later is guarded as well', () => {
  const fd = check('bpf_map_create', libbpf().bpf_map_create(2, 'later', 4, 4, 1, null));
  const { map } = targets;
  targets.map = objectId(fd);
  assert.equal(attempts()['a map by its id'], 'EPERM');
  targets.map = map;
  libbpf().close(fd);
});

test('who gives the key is admitted', () => {
  const outcomes = attempts(KEY);
  for (const what of [
    'a map by its id',
    'a program by its id',
    'a link by its id',
    'to write what it is about',
  ])
    assert.equal(outcomes[what], 'done', what);
  for (const what of ['its memory', 'a descriptor out of its process'])
    assert.equal(outcomes[what], 'done', what);
  // By a program that it starts, which is another process.
  assert.match(outcomes['to remove a pin']!, /not permitted/i);
  pins.remove();
  assert.equal(existsSync(targets.folder), false);
});
