import assert from 'node:assert/strict';
import { chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { CgroupReader } from '../../../../profiler/identity/cgroup-reader.ts';

const NAME = `docker-${'a'.repeat(64)}.scope`;
const NOBODY = 65_534;
const skip = process.getuid!() === 0 ? false : 'needs root, to give directories to another user';

/** A directory that stands for the hierarchy of cgroups, with one cgroup, in a directory of the user's. */
function hierarchy(t: TestContext, path: string, user: number): string {
  const root = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(root, { recursive: true }));
  mkdirSync(root + path, { recursive: true });
  chownSync(dirname(root + path), user, user);
  return root;
}

const userOf = (reader: CgroupReader, path: string) => reader.read(path).container!.user;

test('a container in a service that makes cgroups of its own is not one of root', { skip }, (t) => {
  const path = `/system.slice/web.service/${NAME}`;
  assert.equal(userOf(new CgroupReader(hierarchy(t, path, NOBODY)), path), NOBODY);
  assert.equal(userOf(new CgroupReader(hierarchy(t, path, 0)), path), undefined);
});

test('the root of a container may have another id than the root of the host', { skip }, (t) => {
  const path = `/system.slice/${NAME}`;
  const root = hierarchy(t, path, 0);
  chownSync(root + path, NOBODY, NOBODY);
  assert.equal(userOf(new CgroupReader(root), path), undefined);
});

test(
  'who made a cgroup is remembered, and not taken for root where it is too late to tell',
  { skip },
  (t) => {
    for (const slice of ['/system.slice', '/system.slice/web.service']) {
      const path = `${slice}/${NAME}`;
      const root = hierarchy(t, path, NOBODY);
      const reader = new CgroupReader(root);
      assert.equal(userOf(reader, path), NOBODY);
      rmSync(root + slice, { recursive: true });
      assert.equal(userOf(reader, path), NOBODY);
      assert.equal(userOf(new CgroupReader(root), path), slice === '/system.slice' ? undefined : -1);
    }
  },
);

test('the user of a path is that of their own systemd', (t) => {
  const reader = new CgroupReader(hierarchy(t, '/x/y', process.getuid!()));
  assert.equal(userOf(reader, `/user.slice/user@1000.service/app.slice/${NAME}`), 1000);
});
