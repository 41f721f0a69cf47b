/** The packages of this checkout, built once for all tests that install them. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../../../..');
const BUILT = join(ROOT, 'dist/package-test');

export const DEB = /-1_amd64\.deb$/;
export const CARRYING_DEB = /node[\d.]+_amd64\.deb$/;
export const CARRYING_RPM = /node[\d.]+\.x86_64\.rpm$/;

/** Runs a command to its end, and returns what it printed. Throws where it failed. */
export function ran(command: string, ...args: string[]): string {
  const { error, status, stdout, stderr } = spawnSync(command, args, {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 1e9,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ended with ${status}\n${stdout}${stderr}`);
  return stdout;
}

/** Of all that packages are built from: names and contents of the files that git does not ignore. */
function digestOfSources(): string {
  const files = ran('git', 'ls-files', '-z', '-co', '--exclude-standard').split('\0').filter(Boolean);
  const hash = createHash('sha256').update(ran('git', 'log', '-1', '--format=%ct'));
  for (const file of files.toSorted()) {
    const path = join(ROOT, file);
    if (!existsSync(path) || !lstatSync(path).isFile()) continue;
    hash.update(`${file}\0`).update(createHash('sha256').update(readFileSync(path)).digest());
  }
  return hash.digest('hex').slice(0, 16);
}

/**
 * The folder of the packages: $BOUHEKI_PACKAGES, for those of a release; otherwise those of this checkout, which are built
 * where they are not there yet.
 */
export function packages(): string {
  const given = process.env['BOUHEKI_PACKAGES'];
  if (given) return given;
  const folder = join(BUILT, digestOfSources());
  if (existsSync(folder)) return folder;
  // Of former sources.
  rmSync(BUILT, { recursive: true, force: true });
  const fresh = `${folder}.new`;
  ran('packaging/build', '--out', fresh);
  renameSync(fresh, folder);
  return folder;
}

export function packageLike(pattern: RegExp): string {
  const folder = packages();
  const file = readdirSync(folder).find((name) => pattern.test(name));
  if (file === undefined) throw new Error(`no package like ${pattern}`);
  return join(folder, file);
}

/** The same package as one of an older version, not packed: an emulated machine takes its time to unpack. */
export function writeFormer(deb: string, former: string): void {
  const tree = `${former}.tree`;
  ran('dpkg-deb', '-R', deb, tree);
  const control = join(tree, 'DEBIAN/control');
  writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*$/m, 'Version: 0.0.1-1'));
  ran('dpkg-deb', '--root-owner-group', '-Znone', '--build', tree, former);
  rmSync(tree, { recursive: true });
}
