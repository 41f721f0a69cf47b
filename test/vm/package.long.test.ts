/** The packages are the same whenever they are built, and have what they should. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CARRYING_DEB, DEB, packageLike, packages, ran } from './package/packages.ts';

const place = mkdtempSync(join(tmpdir(), 'bouheki-package-'));
after(() => rmSync(place, { recursive: true }));

function hashesIn(folder: string): Record<string, string> {
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

before(() => {
  ran('test/install', 'lintian');
});

test('built again, each of the five packages is the same, and the image', () => {
  const hashes = hashesIn(packages());
  assert.equal(Object.keys(hashes).length, 6);
  const again = join(place, 'again');
  ran('packaging/build', '--out', again);
  assert.deepEqual(hashesIn(again), hashes);
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
