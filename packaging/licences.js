// Prints the licence of everything that a package has of others. Fails where one is not among those below, or where the
// text of one is not in the bundle's LICENSES: `npm run licences`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { shippedPackages } from './shipped.js';

/** They ask for their text to go along, and nothing else of those who pass a package on. */
const KNOWN = new Set(['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT']);

const packages = shippedPackages();
const width = Math.max(...packages.map(({ name, version }) => name.length + version.length + 1));
for (const { name, version, license, place } of packages)
  console.log(`${`${name}@${version}`.padEnd(width)}  ${(license ?? '-').padEnd(12)}  ${place}`);

const texts = readFileSync(join(import.meta.dirname, '../dist/bundle/LICENSES'), 'utf8');
const findings = packages.flatMap(({ name, version, license, place }) => {
  if (license === undefined) return [`${name} has no licence`];
  if (!KNOWN.has(license)) return [`${name} has the licence ${license}`];
  const [, text] = texts.split(`${name} ${version} (${license})\n\n`);
  return place === 'dist/bundle' && !/copyright/i.test(text?.split('-'.repeat(80))[0] ?? '')
    ? [`${name} has no text of its licence`]
    : [];
});
for (const finding of findings) console.error(`licences: ${finding}`);
process.exitCode = findings.length > 0 ? 1 : 0;
