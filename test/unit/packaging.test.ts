import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const ROOT = join(import.meta.dirname, '../../..');
const OBJECTS = ['egress', 'egress-legacy', 'egress-fmod', 'egress-fmod-legacy', 'egress-cgroup', 'names'];

const place = mkdtempSync(join(tmpdir(), 'bouheki-packaging-'));
after(() => rmSync(place, { recursive: true }));

/** A checkout whose builds make nothing, so that only what packing itself asks for counts. */
function checkout(): void {
  for (const folder of ['packaging', 'dist/bpf']) mkdirSync(join(place, folder), { recursive: true });
  copyFileSync(join(ROOT, 'packaging/prepack'), join(place, 'packaging/prepack'));
  const scripts = { build: 'true', 'build:bpf': 'true', prepack: 'bash packaging/prepack' };
  writeFileSync(
    join(place, 'package.json'),
    JSON.stringify({ name: 'packed', version: '1.0.0', type: 'module', scripts, files: ['dist/'] }),
  );
  writeFileSync(
    join(place, 'bundle.js'),
    `import { mkdirSync, writeFileSync } from 'node:fs';
    mkdirSync(process.argv[2]);
    writeFileSync(process.argv[2] + '/main.js', 'console.log(1)');`,
  );
}

const pack = () => spawnSync('npm', ['pack', '--loglevel=error'], { cwd: place, encoding: 'utf8' });

test('npm packs nothing where an object of the kernel side is missing, or is none', () => {
  checkout();
  for (const name of OBJECTS)
    copyFileSync(join(ROOT, `dist/bpf/${name}.bpf.o`), join(place, `dist/bpf/${name}.bpf.o`));
  writeFileSync(join(place, 'dist/bpf/names.bpf.o'), 'no object');
  const { status, stderr } = pack();
  assert.notEqual(status, 0);
  assert.match(stderr, /prepack: dist\/bpf\/names\.bpf\.o is no object of BPF: npm run build:bpf/);
  assert.equal(existsSync(join(place, 'packed-1.0.0.tgz')), false);
  copyFileSync(join(ROOT, 'dist/bpf/names.bpf.o'), join(place, 'dist/bpf/names.bpf.o'));
  assert.equal(pack().status, 0);
  assert.equal(existsSync(join(place, 'packed-1.0.0.tgz')), true);
});

test('the package names where it comes from, and only the hosts that it runs on', () => {
  const { bugs, cpu, homepage, os, repository } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  ) as Record<string, unknown>;
  assert.deepEqual({ cpu, os }, { cpu: ['x64'], os: ['linux'] });
  for (const address of [bugs, homepage, (repository as { url: string }).url])
    assert.match(String(address), /^(git\+)?https:\/\//);
});
