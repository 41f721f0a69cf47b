/** Under `container: web, exe: /bin/client` no trick makes another program pass for that file of that container. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Egress } from '../../bpf/egress.ts';
import { applyPolicy } from '../../enforcer/apply.ts';
import { compilePolicy } from '../../enforcer/compile.ts';
import { ContainerObjects } from '../../enforcer/container/container-objects.ts';
import { ContainerReader } from '../../enforcer/container/container-reader.ts';
import { parsePolicy } from '../../policy/file/parse.ts';
import { collide } from './collision.ts';
import { ATTEMPT, CGROUPS, Container } from './container.ts';

const folder = mkdtempSync('/tmp/containers-');
let egress: Egress;

const reader = new ContainerReader();
const web = new Container('web', 'a', { folder, reader });
const db = new Container('db', 'b', { folder, reader });
/** One whose runtime has made its root that of its mount namespace. */
const pod = new Container('pod', 'c', { folder, reader, pivot: true });
const layered = new Container('layered', 'd', { folder, reader, pivot: true, overlay: true });

const placeOf = ({ cgroup, name }: Container) => ({ path: cgroup, container: name, image: 'app:1' });

/** Puts a policy in force; of the containers in `known` it is found out what its paths mean. */
function putInForce(rules: string, ...known: Container[]): void {
  apply(rules, 'host', known);
}

function apply(rules: string, target: 'host' | 'container', known: readonly Container[]): void {
  const { policy } = parsePolicy(`version: 2\nnetwork: { mode: block, ${rules} }`, 'test');
  assert(policy);
  const containers = known.map((container) => {
    const answer = { ...container.answer()!, reader: process.pid };
    const files = new ContainerObjects(egress).find(container.cgroup, answer)!;
    return { place: placeOf(container), mountNamespace: answer.mountNamespace, files };
  });
  const compiled = compilePolicy(policy, (path) => egress.identify(path), containers);
  const cgroups = [web, db, pod, layered].map((container) => ({
    id: statSync(CGROUPS + container.cgroup, { bigint: true }).ino,
    boxes: compiled.subjects.cgroup(placeOf(container)),
  }));
  applyPolicy(egress, compiled, { mode: 'block', target, record: true, cgroups });
}

const ALLOW = 'allow: [{ from: { container: [web], exe: [/bin/client] } }]';
const DENY = 'deny: [{ from: { container: [web], exe: [/bin/client] } }], allow: [{}]';

before(async () => {
  chmodSync(folder, 0o755);
  await web.start();
  await db.start();
  await pod.start();
  await layered.start();
  egress = Egress.load();
});

after(async () => {
  egress[Symbol.dispose]();
  reader.close();
  await web.stop();
  await db.stop();
  await pod.stop();
  await layered.stop();
});

test('the file that a rule names is allowed in its container, by any of its names', () => {
  putInForce(ALLOW, web, db);
  for (const path of ['/bin/client', '/bin/link', '/bin/hard'])
    assert.equal(web.told([path]), 'allowed', path);
  assert.equal(web.told(['/bin/client', 'fork']), 'allowed');
  assert.equal(web.told(['/bin/other']), 'denied');
  assert.equal(web.told(['/bin/other', 'start', '/bin/client']), 'allowed');
  assert.equal(web.told(['/bin/client', 'start', '/bin/other']), 'denied');
  assert.equal(web.told(['/bin/client', 'memfd', 'client']), 'denied');
});

test('neither the same path in another container nor the file itself on the host is that program', () => {
  assert.equal(db.told(['/bin/client']), 'denied');
  for (const file of [ATTEMPT, join(web.root, 'bin/client')]) {
    assert.equal(spawnSync(file, { encoding: 'utf8' }).stdout.trim(), 'denied', file);
  }
});

test('other mounts gain nothing, with another file in its place or with the file itself', () => {
  assert.equal(web.told(['/bin/client'], 'unshare', '--mount'), 'denied');
  const over = `mount --bind ${web.root}/bin/other ${web.root}/bin/client; exec "$@"`;
  assert.equal(web.told(['/bin/client'], 'unshare', '--mount', 'sh', '-c', over, 'sh'), 'denied');
});

test('until it is known what a path means, nothing is allowed by it, and everything denied', () => {
  putInForce(ALLOW);
  assert.equal(web.told(['/bin/client']), 'denied');
  putInForce(DENY);
  assert.equal(web.told(['/bin/other']), 'denied');
  assert.equal(db.told(['/bin/client']), 'allowed', 'no rule is for it');
  putInForce(DENY, web);
  assert.equal(web.told(['/bin/other']), 'allowed');
  assert.equal(web.told(['/bin/client']), 'denied');
  assert.equal(
    web.told(['/bin/other'], 'unshare', '--mount'),
    'denied',
    'it may be the other one for all we know',
  );
});

test('a rule for a file of the host allows no container, not even one that runs that file', () => {
  const file = join(web.root, 'bin/client');
  putInForce(`allow: [{ from: { exe: [${file}] } }]`, web);
  assert.equal(spawnSync(file, { encoding: 'utf8' }).stdout.trim(), 'allowed');
  assert.equal(web.told(['/bin/client']), 'denied');
});

test('a container that is made anew has other mounts, and is found again', async () => {
  const before = web.answer()!;
  await web.stop();
  assert.equal(web.answer(), undefined);
  await web.start();
  const now = web.answer()!;
  assert.ok(now.files.get('/bin/client')!.now, JSON.stringify(before.mountNamespace));
  putInForce(ALLOW, web);
  assert.equal(web.told(['/bin/client']), 'allowed');
  assert.equal(web.told(['/bin/other']), 'denied');
});

test('a root directory that a user of the container has chosen in a namespace of its own is not the container', () => {
  const rules = 'allow: [{ from: { container: [pod], exe: [/bin/client] } }]';
  putInForce(rules, pod);
  const user = { uid: 1000 };
  const alone = ['/bin/busybox', 'unshare', '-U', '-r'];
  const elsewhere = ['/bin/busybox', 'chroot', '/own', '/client'];
  assert.equal(pod.toldInside(['/bin/client'], user), 'allowed');
  assert.equal(pod.toldInside([...alone, '/bin/client'], user), 'allowed');
  assert.equal(pod.toldInside([...alone, ...elsewhere], user), 'denied');
  assert.equal(pod.toldInside(['/bin/other', 'share-root', '/bin/client'], user), 'denied');
  assert.equal(pod.toldInside(elsewhere), 'allowed', 'root of the container has chosen it');
  assert.equal(pod.toldInside(['/bin/busybox', 'chroot', '/own', '/other']), 'denied');
});

test('a file of the number of an allowed program, made in another layer of the container, is not that program', () => {
  const own = join(layered.root, 'made');
  mkdirSync(own);
  chownSync(own, 1000, 1000);
  const { evil, honest } = collide([join(layered.root, 'bin/client')], own);
  assert.equal(statSync(evil).ino, statSync(honest).ino);
  const rules = '{ from: { container: [layered], exe: [/bin/client] } }';
  const made = [evil.slice(layered.root.length)];
  putInForce(`allow: [${rules}]`, layered);
  assert.equal(layered.toldInside(['/bin/client']), 'allowed');
  assert.equal(layered.toldInside(['/bin/hard']), 'allowed');
  assert.equal(layered.toldInside(made), 'denied');
  writeFileSync('/proc/sys/vm/drop_caches', '3');
  assert.equal(layered.toldInside(['/bin/hard']), 'allowed');
  assert.equal(layered.toldInside(made), 'denied');
  putInForce(`deny: [${rules}], allow: [{}]`, layered);
  assert.equal(layered.toldInside(['/bin/hard']), 'denied');
  assert.equal(layered.toldInside(['/bin/other']), 'allowed');
});

/** What a program says that is started in a cgroup, which is made where there is none, and in the host's namespaces. */
function toldIn(cgroup: string, ...words: string[]): string {
  const script = 'mkdir -p "$0" && echo 0 >"$0/cgroup.procs" && exec "$@"';
  return spawnSync('sh', ['-c', script, CGROUPS + cgroup, ...words], { encoding: 'utf8' }).stdout.trim();
}

test('what is in the cgroup of a container is judged as a container, whatever namespaces it has left or made', () => {
  apply('allow: [{ from: { container: [db] } }]', 'container', []);
  assert.equal(toldIn('', ATTEMPT), 'allowed', 'the host is left alone');
  assert.equal(toldIn(web.cgroup, ATTEMPT), 'denied', "with all of the host's namespaces");
  assert.equal(toldIn(`${web.cgroup}/own/deeper`, ATTEMPT), 'denied', 'in a cgroup of its own');
  const made = ['unshare', '--user', '--map-root-user', '--mount', '--pid', '--fork', '--cgroup'];
  assert.equal(toldIn(web.cgroup, ...made, ATTEMPT), 'denied', 'with namespaces of its own');
  assert.equal(
    toldIn('', 'unshare', '--mount', '--pid', '--fork', ATTEMPT),
    'denied',
    'a container without a cgroup',
  );
  assert.equal(toldIn('', 'unshare', '--mount', ATTEMPT), 'allowed', "with the host's pids it is none");
});
