/** The packages are the same whenever they are built, and in a fresh Debian they do what docs/install.md says. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';

const ROOT = join(import.meta.dirname, '../../..');
const place = mkdtempSync(join(tmpdir(), 'bouheki-package-'));
const packages = join(place, 'packages');
after(() => rmSync(place, { recursive: true }));

/** Runs a command to its end, and returns what it printed. Throws where it failed. */
function ran(command: string, ...args: string[]): string {
  const { error, status, stdout, stderr } = spawnSync(command, args, {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 1e9,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ended with ${status}\n${stdout}${stderr}`);
  return stdout;
}

function build(folder: string): Record<string, string> {
  ran('packaging/build', '--out', folder);
  const hash = (file: string) =>
    createHash('sha256')
      .update(readFileSync(join(folder, file)))
      .digest('hex');
  return Object.fromEntries(
    readdirSync(folder)
      .toSorted()
      .map((file) => [file, hash(file)]),
  );
}

function packageLike(pattern: RegExp): string {
  const file = readdirSync(packages).find((name) => pattern.test(name));
  assert.ok(file, `${pattern}`);
  return join(packages, file);
}

const DEB = /-1_amd64\.deb$/;
const CARRYING_DEB = /node[\d.]+_amd64\.deb$/;
const CARRYING_RPM = /node[\d.]+\.x86_64\.rpm$/;

let hashes: Record<string, string>;
before(() => {
  ran('test/install', 'debootstrap', 'lintian', 'rpm');
  hashes = build(packages);
});

test('built again, each of the five packages is the same, and the image', () => {
  assert.equal(Object.keys(hashes).length, 6);
  const again = join(place, 'again');
  assert.deepEqual(build(again), hashes);
  rmSync(again, { recursive: true });
});

test('lintian has nothing to say against the packages for Debian', () => {
  const files = [packageLike(DEB), packageLike(CARRYING_DEB)];
  assert.equal(ran('lintian', '--allow-root', '--fail-on', 'error,warning', ...files), '');
});

test('the tarball for npm has the objects and pages, no source map and no stamp, and runs when it is installed', () => {
  const tarball = packageLike(/\.tgz$/);
  const files = ran('tar', '-tzf', tarball).trim().split('\n');
  assert.equal(files.filter((file) => file.endsWith('.bpf.o')).length, 8);
  assert.ok(files.includes('package/dist/man/bouheki-learn.1'));
  assert.ok(files.includes('package/dist/sbom.cdx.json'));
  assert.deepEqual(
    files.filter((file) => /\.map$|\.ts$|sources|\/test\//.test(file)),
    [],
  );
  const prefix = join(place, 'npm');
  ran('npm', 'install', '--global', '--prefix', prefix, '--prefer-offline', '--no-audit', tarball);
  const version = JSON.parse(ran(join(prefix, 'bin/bouheki'), 'version', '--json')) as {
    objects: Record<string, string>;
  };
  assert.equal(Object.keys(version.objects).length, 8);
});

/** The same package as one of an older version. */
function writeFormer(deb: string, former: string): void {
  const tree = join(place, 'former');
  ran('dpkg-deb', '-R', deb, tree);
  const control = join(tree, 'DEBIAN/control');
  writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*$/m, 'Version: 0.0.1-1'));
  ran('dpkg-deb', '--root-owner-group', '-Zxz', '-z0', '--build', tree, former);
  rmSync(tree, { recursive: true });
}

/** The lives of packages in a fresh Debian of its own kernel. */
const LIVES = [
  { suite: 'bookworm', kernel: '6.1', deb: CARRYING_DEB, rpm: CARRYING_RPM, node: process.versions.node },
  { suite: 'trixie', kernel: '6.12', deb: DEB, rpm: undefined, node: undefined },
];

/** Boots a fresh Debian, and has it live through all steps. */
function live({ deb: pattern, kernel, rpm, suite: name }: (typeof LIVES)[number], out: string): string {
  mkdirSync(out);
  const deb = packageLike(pattern);
  copyFileSync(deb, join(out, 'next.deb'));
  if (rpm) copyFileSync(packageLike(rpm), join(out, 'next.rpm'));
  writeFormer(deb, join(out, 'former.deb'));
  const root = ran('test/vm/fetch-root', name).trim();
  const machine = ['--kernel', kernel, '--root', root, '--out', out, '--timeout', '1200'];
  ran('test/vm/run', ...machine, '--', 'test/vm/package/inside');
  return ran('dpkg-deb', '-f', deb, 'Version').trim();
}

/** What the steps in a machine have left in a folder. */
class Steps {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  read(file: string): string {
    return readFileSync(join(this.#folder, file), 'utf8').trim();
  }

  lines(name: string): string[] {
    return this.read(`${name}.stdout`).split('\n');
  }

  /** What a step has printed that must have worked. */
  good(name: string): string {
    const [status, stdout, stderr] = ['status', 'stdout', 'stderr'].map((what) =>
      this.read(`${name}.${what}`),
    );
    assert.equal(status, '0', `${name}: ${stdout}${stderr}\n${this.read('journal.stdout')}`);
    return stdout!;
  }
}

for (const life of LIVES) {
  suite(`in a fresh ${life.suite}`, () => {
    const out = join(place, life.suite);
    const steps = new Steps(join(out, 'steps'));
    let version: string;
    before(() => {
      version = live(life, out);
    });

    test('it installs, and neither enables nor starts anything', () => {
      steps.good('install');
      const off = ['disabled', 'disabled', 'disabled', 'inactive', 'inactive', 'inactive'];
      assert.deepEqual(steps.lines('installed'), off);
    });

    test('systemd finds nothing wrong with its units', () => {
      assert.equal(steps.good('verify') + steps.read('verify.stderr'), '');
    });

    test('it has its objects, a libbpf and a Node.js', () => {
      const told = JSON.parse(steps.good('version')) as Record<string, unknown>;
      assert.equal(Object.keys(told['objects'] as object).length, 8);
      assert.match(String(told['libbpf']), /^v1\./);
      if (life.node) assert.equal(told['node'], life.node);
    });

    test('the learning service records', () => {
      steps.good('learn');
      assert.match(steps.good('recorded'), /"exe":"\/usr\/bin\/bash"/);
      assert.match(steps.good('status'), /learn/);
    });

    test('an upgrade restarts what runs, and keeps the record and what is enabled', () => {
      steps.good('upgrade');
      assert.equal(steps.good('upgraded_version'), `bouheki\t${version}`);
      assert.notEqual(steps.good('after_upgrade'), steps.good('before_upgrade'));
      const learning = ['disabled', 'enabled', 'disabled', 'inactive', 'active', 'inactive'];
      assert.deepEqual(steps.lines('upgraded'), learning);
      steps.good('kept');
    });

    endOf(steps, life.rpm !== undefined);
  });
}

/** The tests from enforcement to purge. */
function endOf(steps: Steps, withRpm: boolean): void {
  test('a policy of what was learnt is enforced in the place of learning', () => {
    steps.good('policy');
    steps.good('enforce');
    const enforcing = ['enabled', 'enabled', 'disabled', 'active', 'inactive', 'inactive'];
    assert.deepEqual(steps.lines('enforcing'), enforcing);
    assert.equal(steps.read('allowed.status'), '124');
    assert.match(steps.read('denied.stderr'), /Operation not permitted/);
    assert.equal(steps.good('drift_status'), '1');
  });

  test('removed, it blocks nothing, and leaves policy and record alone', () => {
    steps.good('remove');
    const kept = ['/etc/bouheki/policy.yaml', '/var/lib/bouheki/bouheki.duckdb'];
    assert.deepEqual(steps.lines('removed'), [...kept, 'inactive', 'inactive', 'inactive']);
    assert.equal(steps.read('open.status'), '124');
  });

  test('purged, it leaves nothing', () => {
    steps.good('purge');
    const first = new Set(steps.read('before').split('\n'));
    const left = steps
      .read('after')
      .split('\n')
      .filter((path) => !first.has(path));
    assert.deepEqual(left, []);
  });

  test('the .rpm installs, learns, and leaves no program when it is erased', (context) => {
    if (!withRpm) return context.skip('there is no rpm in this Debian: the other one has it');
    const told = steps.lines('rpm');
    assert.match(told[0]!, /^\d+\.\d+\.\d+$/);
    assert.ok(told.some((line) => line.includes('10.9.0.7')));
    assert.equal(told.at(-1), 'inactive');
    assert.ok(!told.includes('/usr/bin/bouheki') && !told.includes('/usr/lib/bouheki'));
  });
}
