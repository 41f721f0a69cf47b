// Bundles the program to the folder that is named: one file for each process that it starts, and chunks for what they
// share and what they import when it is needed: a start reads no more than its command needs. Packages with machine code
// stay outside. The licences of the packages inside go along. Run by build.sh, and by packaging/prepack with
// --without-maps. With --of-tests the command line is the one that unit tests start.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const [folder, option] = process.argv.slice(2);

const ofTests = option === '--of-tests';

const { metafile } = await build({
  entryPoints: [
    ofTests ? 'test/unit/cli/command.ts' : 'cli/main.ts',
    'cli/preflight/replay-process.ts',
    'cli/query/query-process.ts',
    'cli/ui/door-process.ts',
    'enforcer/container/container-reader-process.ts',
    'fleet/agent/agent-process.ts',
    'profiler/store/store-child.ts',
  ],
  outdir: folder,
  entryNames: '[name]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  external: ['koffi', '@duckdb/node-bindings'],
  // What packages of the older kind call.
  banner: {
    js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);",
  },
  // Half of the time until a command runs is V8's, reading it. Names stay, for messages.
  minifyWhitespace: true,
  sourcemap: option !== '--without-maps',
  sourcesContent: false,
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
});

/** The folders of the packages that files of a bundle came from. */
function packagesOf(inputs) {
  const found = inputs.map((input) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0]);
  return [...new Set(found.filter((path) => path !== undefined))].toSorted();
}

function manifestOf(path) {
  return JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
}

function nameOf(path) {
  const { name, version } = manifestOf(path);
  return `${name}@${version}`;
}

/** Some have it as a section of their README alone. */
function licenceInReadme(path, files) {
  const readme = files.find((file) => /^readme/i.test(file));
  if (readme === undefined) return '';
  const [, section = ''] = readFileSync(join(path, readme), 'utf8').split(/^#+ licen[cs]e *$/im);
  return section.split(/^#+ /m)[0].trim();
}

function licenceOf(path) {
  const { name, version, license } = manifestOf(path);
  const files = readdirSync(path);
  const texts = files
    .filter((file) => /^(licen[cs]e|notice)/i.test(file))
    .map((file) => readFileSync(join(path, file), 'utf8').trim());
  const text = texts.length > 0 ? texts.join('\n\n') : licenceInReadme(path, files);
  return `${name} ${version} (${license})\n\n${text}\n`;
}

if (!ofTests) {
  const licences = packagesOf(Object.keys(metafile.inputs)).filter((path) =>
    existsSync(join(path, 'package.json')),
  );
  writeFileSync(join(folder, 'LICENSES'), licences.map(licenceOf).join(`\n${'-'.repeat(80)}\n\n`));
  // Which those are, for packaging/shipped.js.
  writeFileSync(join(folder, 'packages.json'), `${JSON.stringify(licences.map(nameOf))}\n`);
}
