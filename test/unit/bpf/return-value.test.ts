/** What the programs say to the kernel: what is built, not what the sources look like. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { BpfObject } from '../../../bpf/object.ts';
import { CGROUP_FOLLOWERS } from '../../../bpf/probe.ts';
import { BouhekiError } from '../../../error/error.ts';
import { Bytecode, sectionsOf, type Source } from './bytecode.ts';

const FOLDER = join(import.meta.dirname, '../../../bpf');
const { EDESTADDRREQ, EPERM } = constants.errno;

/** The last argument of these hooks is what the programs before this one have said. It follows so many others. */
const EARLIER: Record<string, number> = {
  socket_connect: 3,
  socket_sendmsg: 3,
  file_permission: 2,
  sctp_bind_connect: 4,
  socket_create: 4,
  socket_post_create: 5,
  socket_setsockopt: 3,
  task_prctl: 5,
};

/** Hooks that return nothing: there the kernel takes no other value than 0. */
const VOID = ['bprm_committed_creds', 'sock_graft'];

interface Hook {
  object: string;
  name: string;
  returned: Set<Source>;
}

/** The programs at hooks of security modules. Of all others the kernel's verifier checks the values itself. */
function hooks(): Hook[] {
  const objects = readdirSync(FOLDER).filter((name) => name.endsWith('.bpf.o'));
  return objects.flatMap((object) => {
    const { file, sections } = sectionsOf(join(FOLDER, object));
    return sections.flatMap(({ name, at, size }) => {
      const hook = /^(?:lsm\/|fmod_ret\/security_)(\w+)$/.exec(name)?.[1];
      if (hook === undefined) return [];
      return [{ object, name: hook, returned: new Bytecode(file.subarray(at, at + size)).returned }];
    });
  });
}

test('every way through a hook ends with 0, with -EPERM, or with what was said before', () => {
  const all = hooks();
  // Four objects judge, by 8 hooks each and two void ones; two guard, by 8.
  assert.equal(all.length, 4 * 8 + 2 * VOID.length + 2 * 8, all.map(({ name }) => name).join(' '));
  for (const { object, name, returned } of all) {
    const right = new Set<Source>([0]);
    if (!VOID.includes(name)) right.add(-EPERM);
    if (name in EARLIER) right.add(`argument ${EARLIER[name]!}`);
    // On a socket that is connected to nothing the kernel itself says so, and a program that asks must hear it.
    if (name === 'socket_sendmsg') right.add(-EDESTADDRREQ);
    const wrong = [...returned].filter((source) => !right.has(source));
    assert.deepEqual(wrong, [], `${object}: ${name}`);
    if (name !== 'socket_post_create' && !VOID.includes(name))
      assert.ok(returned.has(0) && returned.has(-EPERM), `${object}: ${name} ${[...returned].join(', ')}`);
  }
});

const place = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
after(() => rmSync(place, { recursive: true }));

test('where the kernel refuses a program, what its verifier says of it is kept', () => {
  const source = join(FOLDER, 'egress-cgroup.bpf.o');
  const { file, sections } = sectionsOf(source);
  const broken = Buffer.from(file);
  const { at } = sections.find(({ name }) => name === 'cgroup/setsockopt')!;
  // The first instruction becomes r0 = r9, and nothing has been put into r9.
  broken.set([0xbf, 0x90, 0, 0, 0, 0, 0, 0], at);
  const path = join(place, 'broken.bpf.o');
  writeFileSync(path, broken);
  using object = BpfObject.open(path);
  for (const program of [...CGROUP_FOLLOWERS, 'backstop', 'source_route']) object.leaveOut(program);
  assert.throws(
    () => object.load(),
    (error: unknown) => {
      assert.ok(error instanceof BouhekiError);
      assert.equal(error.code, 'verifier');
      assert.match(error.detail!, /BEGIN PROG LOAD LOG[^]*R9 !read_ok[^]*processed \d+ insns/);
      return true;
    },
  );
});
