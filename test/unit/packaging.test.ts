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
const OBJECTS = [
  'egress',
  'egress-legacy',
  'egress-fmod',
  'egress-fmod-legacy',
  'egress-cgroup',
  'names',
  'guard',
  'guard-fmod',
];

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
  writeFileSync(join(place, 'packaging/sbom.js'), 'console.log({});');
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

/** What `npm run licences` says of a package that ships one package of npm, in its bundle. */
function licencesOf(license: string | undefined, text: string) {
  mkdirSync(join(place, 'dist/bundle'), { recursive: true });
  for (const file of ['licences.js', 'shipped.js'])
    copyFileSync(join(ROOT, 'packaging', file), join(place, 'packaging', file));
  const packages = { '': {}, 'node_modules/inside': { version: '1.2.3', license, dev: true } };
  writeFileSync(join(place, 'package-lock.json'), JSON.stringify({ packages }));
  writeFileSync(join(place, 'dist/bundle/packages.json'), '["inside@1.2.3"]');
  writeFileSync(join(place, 'dist/bundle/LICENSES'), `inside 1.2.3 (${license})\n\n${text}\n`);
  const { status, stderr, stdout } = spawnSync('node', ['packaging/licences.js'], {
    cwd: place,
    encoding: 'utf8',
  });
  return { status, stderr, stdout };
}

test('a licence that nobody has looked at is refused, and one whose text does not go along', () => {
  checkout();
  assert.deepEqual(licencesOf('MIT', 'Copyright (c) 2026 somebody'), {
    status: 0,
    stderr: '',
    stdout: 'inside@1.2.3  MIT           dist/bundle\n',
  });
  const refusals = [
    licencesOf('AGPL-3.0', 'Copyright (c) 2026 somebody'),
    licencesOf(undefined, 'Copyright (c) 2026 somebody'),
    licencesOf('MIT', ''),
  ];
  assert.deepEqual(
    refusals.map(({ status, stderr }) => [status, stderr]),
    [
      [1, 'licences: inside has the licence AGPL-3.0\n'],
      [1, 'licences: inside has no licence\n'],
      [1, 'licences: inside has no text of its licence\n'],
    ],
  );
});

function listParts() {
  return spawnSync('node', ['packaging/sbom.js', '--with', 'node@20.0.0:MIT'], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, SOURCE_DATE_EPOCH: '1000000000' },
  });
}

test('the list of parts has what is shipped and nothing that is only needed to build it, the same each time', () => {
  const { status, stderr, stdout } = listParts();
  assert.equal(status, 0, stderr);
  assert.equal(listParts().stdout, stdout);
  const list = JSON.parse(stdout) as {
    metadata: { timestamp: string };
    components: { 'bom-ref': string; name: string; licenses: unknown[] }[];
    dependencies: { ref: string; dependsOn: string[] }[];
  };
  assert.equal(list.metadata.timestamp, '2001-09-09T01:46:40.000Z');
  const names = new Set(list.components.map(({ name }) => name));
  for (const name of ['koffi', '@koromix/koffi-linux-x64', 'zod', 'pino', 'bouheki-bpf', 'node'])
    assert.ok(names.has(name), name);
  for (const name of ['typescript', 'esbuild', 'fast-check', 'knip']) assert.ok(!names.has(name), name);
  assert.deepEqual(
    list.components.filter(({ licenses }) => licenses.length === 0),
    [],
  );
  const refs = new Set(list.dependencies.map(({ ref }) => ref));
  assert.ok(list.components.every((part) => refs.has(part['bom-ref'])));
  assert.ok(list.dependencies.every(({ dependsOn }) => dependsOn.every((ref) => refs.has(ref))));
});
