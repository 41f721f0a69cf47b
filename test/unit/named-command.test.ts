import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import type { Command } from 'commander';
import { PROGRAM_FOLDERS } from './program-folders.ts';

const ROOT = join(import.meta.dirname, '../../..');

/** Options of other programs that documents and messages name without that program before them. */
const FOREIGN_OPTIONS = new Set([
  '--icount', // test/vm/run
  '--kernel',
  '--systemd',
  '--root',
  '--now', // systemctl
  '--keep-unit', // systemd-nspawn
  '--privileged', // docker, podman
  '--input',
  '--rm',
  '--pid',
  '--network',
  '--cgroupns',
  '--volume',
  '--namespace', // ctr, kubectl
  '--max-old-space-size', // Node.js
  '--max-semi-space-size',
  '--test',
  '--reuid', // setpriv
  '--regid',
  '--init-groups',
  '--inh-caps',
  '--pdeathsig',
  '--noflush', // iptables-restore and its rules
  '--icmpv6-type',
  '--reject-with',
  '--log-prefix',
  '--ctstate',
  '--comment',
  '--uid-owner',
  '--gid-owner',
  '--dports',
]);

/** Its own names begin as options do. */
const STYLE_SHEET = 'cli/page/html/style.ts';

/** Words that remedies have where a command could stand. */
const OTHER_WORDS = new Set(['connections', 'sudo']);

/** Each command with the long options that it takes; '' is `bouheki` itself. */
const OPTIONS = new Map<string, Set<string>>();
const HELP = new Map<string, string>();

for (const file of ['', 'control/', 'fleet/', 'look/', 'setup/'].flatMap((room) =>
  readdirSync(join(ROOT, 'cli', room)).map((path) => room + path),
)) {
  const name = basename(file, '.ts');
  if (
    !file.endsWith('.ts') ||
    ['main', 'completion-script', 'config-file', 'man-page', 'version-json'].includes(name)
  )
    continue;
  const module = (await import(`../../cli/${file.replace(/\.ts$/, '.js')}`)) as Record<string, () => Command>;
  const factory = `${name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())}Command`;
  const command = module[factory]!();
  assert.equal(command.name(), name);
  const all = withSubcommands(command);
  HELP.set(name, all.map(helpOf).join('\n'));
  OPTIONS.set(name, new Set(['--help', ...all.flatMap(({ options }) => options.map(({ long }) => long!))]));
}
const main = execFileSync(process.execPath, [join(ROOT, 'dist/bundle/main.js'), '--help'], {
  encoding: 'utf8',
});
OPTIONS.set('', new Set(optionsIn(main.slice(main.indexOf('Options:'), main.indexOf('Commands:')))));
// What main itself answers, such as `version`, has a line there and no options but this one.
for (const [, name] of main.slice(main.indexOf('Commands:')).matchAll(/^ {2}([a-z]+) /gm)) {
  if (!OPTIONS.has(name!)) OPTIONS.set(name!, new Set(['--help']));
}
const ALL_OPTIONS = new Set([...OPTIONS.values()].flatMap((options) => Array.from(options)));

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

/** What a command prints with --help. */
function helpOf(command: Command): string {
  let help = '';
  command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
  return help;
}

function optionsIn(text: string): string[] {
  return [...text.matchAll(/(?<![\w-])--(?!this\b)[a-z][a-z-]*[a-z]/g)].map(([option]) => option);
}

/** The calls of bouheki in a text: in backticks, or on a line of its own as one types it. */
function callsIn(text: string): string[] {
  const spans = [...text.matchAll(/\\?`([^`\\\n]+)\\?`/g)].map(([, span]) => span!);
  const lines = [...text.matchAll(/^ +(?:\$ )?((?:sudo )?bouheki .*)$/gm)].map(([, line]) => line!);
  return [...spans, ...lines.flatMap((line) => line.split(/\s[|#&]|\s{3,}/)[0]!)].map((call) =>
    call.trim().replace(/^sudo /, ''),
  );
}

/** What is wrong with a call, or undefined where it is right or calls another program. */
function faultOf(call: string): string | undefined {
  const ours = /^bouheki(?: +([a-z][a-z-]*))?(?= |$)/.exec(call);
  const short = /^([a-z]+)(?= --)/.exec(call);
  const name = ours ? (ours[1] ?? '') : short?.[1];
  if (name === undefined || (!ours && PROGRAMS.has(name))) return undefined;
  const options = OPTIONS.get(name);
  if (!options) return `${call}: there is no command "${name}"`;
  const unknown = optionsIn(call).filter((option) => !options.has(option));
  return unknown.length === 0 ? undefined : `${call}: \`bouheki ${name}\` has no ${unknown.join(', ')}`;
}

/** Programs that documents call with an option as their first argument. */
const PROGRAMS = new Set(['node']);

/** What a text names that is not there. */
function faultsOf(text: string): string[] {
  const others = /`(?!bouheki)[a-z/.-]+ [^`\n]*`|^ +\$ (?!sudo bouheki|bouheki).*$|^ {4}test\/.*$/gm;
  const bare = optionsIn(
    text.replace(others, (span) => (faultOf(span.slice(1, -1)) === undefined ? ' ' : span)),
  );
  return [
    ...callsIn(text).map(faultOf),
    ...bare
      .filter((option) => !ALL_OPTIONS.has(option) && !FOREIGN_OPTIONS.has(option))
      .map((option) => `no command has ${option}`),
  ].filter((fault) => fault !== undefined);
}

test('every command and option that a document names is there', () => {
  const documents = ['.', 'docs'].flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .filter((file) => file.endsWith('.md'))
      .map((file) => join(folder, file)),
  );
  let calls = 0;
  const faults = documents.flatMap((document) => {
    const text = readFileSync(join(ROOT, document), 'utf8');
    calls += callsIn(text).filter((call) => call.startsWith('bouheki ')).length;
    return faultsOf(text).map((fault) => `${document}: ${fault}`);
  });
  assert.ok(calls > 30, `${calls} calls`);
  assert.deepEqual(faults, []);
});

test('every command and option that a help text names is there, and an option without a command is its own', () => {
  const faults = [...HELP].flatMap(([name, help]) => {
    const own = help.replace(/`[^`]*`|^ +\$ .*$/gm, '');
    return [
      ...faultsOf(help),
      ...optionsIn(own)
        .filter((option) => !OPTIONS.get(name)!.has(option))
        .map((option) => `\`bouheki ${name}\` has no ${option}`),
    ].map((fault) => `${name}: ${fault}`);
  });
  assert.ok(HELP.size > 10);
  assert.deepEqual([...faultsOf(main), ...faults], []);
});

test('every command and option that a source names, in its messages and remedies above all, is there', () => {
  const sources = PROGRAM_FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(folder, file))
      .filter((file) => file !== STYLE_SHEET),
  );
  let remedies = 0;
  const faults = sources.flatMap((source) => {
    const text = readFileSync(join(ROOT, source), 'utf8').replace(/^ *(?:\/\*|\*|\/\/).*$/gm, '');
    const texts = [...text.matchAll(/\bremedy:\s*(?:'((?:\\.|[^'\\])*)'|`((?:\\.|[^`\\])*)`)/g)].map(
      ([, plain, template]) => plain ?? template!,
    );
    remedies += texts.length;
    const named = texts.flatMap((remedy) =>
      // A word that ends a clause after one of these is what the reader is to run.
      [...remedy.matchAll(/\b(?:with|use|run|try|see) ([a-z]+)(?=[.,;)]|$)/g)].map(([, word]) => word!),
    );
    const spans = texts.flatMap((remedy) =>
      [...remedy.matchAll(/\\?`([a-z]+)\\?`/g)].map(([, word]) => word!),
    );
    const words = [...named, ...spans].filter((word) => !OPTIONS.has(word) && !OTHER_WORDS.has(word));
    return [...faultsOf(text), ...words.map((word) => `there is no command "${word}"`)].map(
      (fault) => `${source}: ${fault}`,
    );
  });
  assert.ok(remedies > 50, `${remedies} remedies`);
  assert.deepEqual(faults, []);
});
