// Prints what a package consists of as CycloneDX: what `npm sbom` says of the lock file, without what is only needed to
// build and test, and with what no npm package is. The same files give the same bytes.
//
// usage: node packaging/sbom.js [--with NAME@VERSION:LICENCE]...
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { shippedPackages } from './shipped.js';

const { values } = parseArgs({ options: { with: { type: 'string', multiple: true, default: [] } } });

/** What npm knows, of every package. */
function completeList() {
  const args = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'];
  try {
    const options = { cwd: join(import.meta.dirname, '..'), encoding: 'utf8', maxBuffer: 1e8 };
    return JSON.parse(execFileSync('npm', args, options));
  } catch (error) {
    console.error(`sbom: npm sbom failed; npm 10 has it: npm install --global npm@10\n${error.message}`);
    process.exit(2);
  }
}

/** A part that no npm package is, from `NAME@VERSION:LICENCE`; the licence is an SPDX expression. */
function otherPart(text) {
  const [, name, version, expression] = /^(.+)@([^:]+):(.+)$/.exec(text) ?? [];
  if (name === undefined) throw new Error(`--with ${text}: give NAME@VERSION:LICENCE`);
  return {
    'bom-ref': `${name}@${version}`,
    type: 'application',
    name,
    version,
    scope: 'required',
    purl: `pkg:generic/${encodeURIComponent(name)}@${encodeURIComponent(version)}`,
    licenses: [{ expression }],
  };
}

/** A UUID that follows from what the list says. */
function serialOf(text) {
  const hash = createHash('sha256').update(text).digest('hex');
  return `urn:uuid:${hash.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/, '$1-$2-8$3-8$4-$5')}`;
}

const list = completeList();
const shipped = new Set(shippedPackages().map(({ name, version }) => `${name}@${version}`));
const own = list.metadata.component;
// The programs in the kernel have a licence of their own.
const others = [`bouheki-bpf@${own.version}:GPL-2.0-only`, ...values.with].map(otherPart);
// For npm, what is in the bundle is needed to build it alone.
const components = list.components.filter(({ 'bom-ref': ref }) => shipped.has(ref));
for (const part of components) {
  part.scope = 'required';
  part.properties = part.properties.filter(({ name }) => name !== 'cdx:npm:package:development');
}
const lost = [...shipped].filter((ref) => !components.some((part) => part['bom-ref'] === ref));
if (lost.length > 0) throw new Error(`npm sbom has no ${lost.join(', ')}`);
const refs = new Set([own['bom-ref'], ...shipped]);
const dependencies = list.dependencies
  .filter(({ ref }) => refs.has(ref))
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((each) => refs.has(each)) }));
const needed = dependencies.find(({ ref }) => ref === own['bom-ref']);
needed.dependsOn.push(...others.map((part) => part['bom-ref']));

const seconds = process.env.SOURCE_DATE_EPOCH ?? execFileSync('git', ['log', '-1', '--format=%ct']);
const timestamp = new Date(Number(seconds) * 1000).toISOString();
const contents = {
  metadata: { ...list.metadata, timestamp, component: { ...own, type: 'application', name: 'bouheki' } },
  components: [...components, ...others],
  dependencies: [...dependencies, ...others.map((part) => ({ ref: part['bom-ref'], dependsOn: [] }))],
};
const { $schema, bomFormat, specVersion } = list;
const serialNumber = serialOf(JSON.stringify(contents));
console.log(
  JSON.stringify({ $schema, bomFormat, specVersion, serialNumber, version: 1, ...contents }, null, 2),
);
