import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test, type TestContext } from 'node:test';

const MAIN = join(import.meta.dirname, '../../../../bundle/main.js');
const place = mkdtempSync(join(tmpdir(), 'bouheki-man-'));
const pages = join(place, 'pages');
after(() => rmSync(place, { recursive: true }));

const bouheki = (...args: string[]) => spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });
const printed = (...args: string[]): string =>
  execFileSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });

/** The commands that the program's help lists, but for `help` itself. */
const commands = [...printed('--help').matchAll(/^ {2}([a-z][a-z-]+) /gm)]
  .map(([, name]) => name!)
  .filter((name) => name !== 'help');

assert.equal(printed('man', '--into', pages, '--date', '2026-11-21'), '');

test('there is a page for bouheki and for each command', () => {
  const expected = ['bouheki.1', ...commands.map((name) => `bouheki-${name}.1`)];
  assert.deepEqual(readdirSync(pages).toSorted(), expected.toSorted());
  assert.equal(printed('man', 'drift', '--date', '2026-11-21'), readPage('bouheki-drift'));
  assert.equal(printed('man', '--date', '2026-11-21'), readPage('bouheki'));
});

test('a page has every option, example and exit status that --help prints', () => {
  for (const command of ['learn', 'drift', 'export-policy', 'completion']) {
    const [help, page] = [printed(command, '--help'), unescaped(readPage(`bouheki-${command}`))];
    const options = [...help.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, option]) => option!);
    const kept = [...help.matchAll(/^ {2}(\$ .*)$/gm)].map(([, line]) => line!);
    const [, status] = /^Exit status: (.*)$/m.exec(help)!;
    assert.ok(options.length > 0 && kept.length > 0);
    assert.deepEqual(
      [...options, ...kept, status!].filter((each) => !page.includes(each)),
      [],
      command,
    );
  }
});

test('mandoc warns of nothing in any page', (context: TestContext) => {
  const files = readdirSync(pages).map((file) => join(pages, file));
  const { error, status, stdout } = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning', ...files], {
    encoding: 'utf8',
  });
  if (error !== undefined) return context.skip('there is no mandoc here');
  assert.equal(stdout, '');
  assert.equal(status, 0);
});

test('a command that is not there, a bad date and a folder that cannot be made are refused', () => {
  const refused = [
    [['man', 'lern'], /^bouheki: there is no command lern\n/],
    [['man', '--date', '2026-13-01'], /It must be a day such as 2026-11-21\./],
    [['man', '--into', '/dev/null/pages'], /^bouheki: cannot write manual pages into \/dev\/null\/pages\n/],
  ] as const;
  for (const [args, message] of refused) {
    const { status, stderr, stdout } = bouheki(...args);
    assert.match(stderr, message);
    assert.equal(stdout, '');
    assert.equal(status, 2);
  }
});

function readPage(name: string): string {
  return readFileSync(join(pages, `${name}.1`), 'utf8');
}

/** What a reader of the page sees of its text. */
function unescaped(page: string): string {
  return page
    .replaceAll('\\-', '-')
    .replaceAll('\\(ti', '~')
    .replaceAll('\\(ha', '^')
    .replaceAll('\\(ga', '`')
    .replaceAll('\\(aq', "'")
    .replaceAll('\\e', '\\');
}
