import assert from 'node:assert/strict';
import { test } from 'node:test';
import { portableSubject } from '../../../../../fleet/agent/evidence/portable.ts';
import type { Subject } from '../../../../../profiler/read/observation.ts';
import { subjectBytes } from '../../../../../fleet/wire/subject-document.ts';

const NAMES: Record<string, Record<number, string>> = {
  user: { 0: 'root', 33: 'www-data' },
  group: { 0: 'root', 33: 'www-data' },
};
const nameOf = (kind: 'user' | 'group', id: number): string | undefined => NAMES[kind]![id];

const subject = (change: Partial<Subject> = {}): Subject => ({
  command: 'nginx',
  exe: '/usr/sbin/nginx',
  uid: 33,
  gid: 33,
  inContainer: false,
  ...change,
});
const of = (change: Partial<Subject>) => portableSubject(subject(change), nameOf);
const contained = (container: string, image?: string) =>
  of({ inContainer: true, container, ...(image !== undefined && { image }) });

test('a user has the name that the host knows, and the number where it knows none', () => {
  assert.deepEqual(of({}), {
    command: 'nginx',
    exe: '/usr/sbin/nginx',
    user: 'www-data',
    group: 'www-data',
  });
  assert.deepEqual(of({ uid: 1001, gid: 1002, euid: 0, egid: 1003 }), {
    command: 'nginx',
    exe: '/usr/sbin/nginx',
    uid: 1001,
    gid: 1002,
    euser: 'root',
    egid: 1003,
  });
});

test('names of users on the host do not mean those in containers', () => {
  const { group, uid, user } = of({ inContainer: true, container: 'web', image: 'nginx:1' });
  assert.deepEqual([user, group, uid], [undefined, undefined, 33]);
});

test('what is of one instance of a container is left out of its name', () => {
  assert.equal(contained('shop-web-1').container, 'shop-web-*');
  assert.equal(contained('shop_web_12').container, 'shop_web_*');
  assert.equal(contained('web-7d9f8b6c5d-x2x4z').container, 'web-*');
  assert.equal(contained('node-agent-x2x4z').container, 'node-agent-*');
  assert.equal(contained('db-0').container, 'db-*');
  for (const name of ['web', 'shop/app', 'shop/app-1', 'web-proxy', 'web1', 'a', '-1'])
    assert.equal(contained(name).container, name);
});

test('an invented name of a container is none where the image says what it is', () => {
  assert.equal(contained('brave_curie7', 'redis:7').container, undefined);
  assert.equal(contained('brave_curie7').container, 'brave_curie7');
  assert.equal(contained('brave_curie7', 'redis:7').image, 'redis:7');
});

test('a cgroup stands for what has neither unit nor container, and for no session', () => {
  const cgroup = '/system.slice/web.service';
  assert.equal(of({ cgroup }).cgroup, cgroup);
  assert.deepEqual(of({ cgroup, unit: 'web.service' }), { ...of({}), unit: 'web.service' });
  assert.deepEqual(of({ cgroup: '/user.slice/session-3.scope', unit: 'session-3.scope' }), of({}));
  assert.deepEqual(of({ cgroup: '/x', unit: 'run-r0a1b2c.scope' }), of({}));
  assert.equal(of({ cgroup: '/docker/0a1b', inContainer: true }).cgroup, undefined);
});

test('two hosts with other numbers for a user have equal bytes for it', () => {
  const elsewhere = portableSubject(subject({ uid: 48, gid: 48 }), () => 'www-data');
  assert.deepEqual(subjectBytes(elsewhere), subjectBytes(of({})));
});

test('nothing that the document does not name leaves the host', () => {
  const more = {
    arguments: '--password secret',
    environment: 'TOKEN=secret',
    labels: { a: 'secret' },
    pid: 7,
  };
  const bytes = subjectBytes(portableSubject({ ...subject(), ...more } as Subject, nameOf));
  assert.doesNotMatch(bytes.toString(), /secret|pid/);
});
