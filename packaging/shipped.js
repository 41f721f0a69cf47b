// What a package has of others: the npm packages in the bundle, and those that run beside it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const read = (path) => JSON.parse(readFileSync(join(ROOT, path), 'utf8'));

/**
 * Each as `name`, `version`, `license` (an SPDX expression, undefined where its author gives none) and `place`, in the
 * order of their names. Needs a bundle: `npm run build`.
 */
export function shippedPackages() {
  const bundled = new Set(read('dist/bundle/packages.json'));
  const found = new Map();
  for (const [path, entry] of Object.entries(read('package-lock.json').packages)) {
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const { license, version } = entry;
    const key = `${name}@${version}`;
    if (bundled.has(key)) found.set(key, { name, version, license, place: 'dist/bundle' });
    else if (path !== '' && runsBeside(entry))
      found.set(key, { name, version, license, place: 'node_modules' });
  }
  const lost = [...bundled].filter((key) => !found.has(key));
  if (lost.length > 0)
    throw new Error(`package-lock.json has no ${lost.join(', ')}, which is in dist/bundle: npm run build`);
  return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Whether `npm ci --omit=dev` installs it on the hosts that the packages are for. */
function runsBeside({ cpu, dev, devOptional, libc, os }) {
  return !dev && !devOptional && fits(os, 'linux') && fits(cpu, 'x64') && fits(libc, 'glibc');
}

function fits(list, value) {
  return list?.includes(value) ?? true;
}
