import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { type Line, type Outcome, readLine } from '../../runner/outcome.ts';

const reporter = join(import.meta.dirname, '../../runner/reporter.js');

/** What the reporter writes about a test file with this text. */
function report(text: string): Line[] {
  const folder = mkdtempSync(join(tmpdir(), 'bouheki-reporter-'));
  try {
    const file = join(folder, 'a.test.mjs');
    writeFileSync(file, `import { describe, test } from 'node:test';\n${text}`);
    // Inside a test run `node --test` would take itself for a test file.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const { stdout } = spawnSync(process.execPath, ['--test', `--test-reporter=${reporter}`, file], {
      env,
      encoding: 'utf8',
    });
    return stdout.split('\n').flatMap((line) => readLine(line) ?? []);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function messageOf(line: Line | undefined): string {
  return line !== undefined && 'message' in line ? line.message : '';
}

function outcomes(text: string): [Outcome['kind'], string, string][] {
  return report(text)
    .filter((line) => line.kind !== 'remark' && line.kind !== 'end')
    .map(({ kind, name, message }) => [kind, name, message.split('\n    at')[0] ?? '']);
}

test('counts leaf tests under the names of their suites, not the suites', () => {
  const text = `describe('outer', () => { describe('inner', () => { test('one', () => {}); }); test('two', () => {}); });`;
  assert.deepEqual(outcomes(text), [
    ['passed', 'outer › inner › one', ''],
    ['passed', 'outer › two', ''],
  ]);
});

test('reports a failed subtest once, and a parent only for a failure of its own', () => {
  const text = `
    test('of a child', async (t) => { await t.test('child', () => { throw new Error('bad') }); });
    test('of its own', async (t) => { await t.test('child', () => {}); throw new Error('own'); });`;
  assert.deepEqual(outcomes(text), [
    ['failed', 'of a child › child', 'Error: bad'],
    ['passed', 'of its own › child', ''],
    ['failed', 'of its own', 'Error: own'],
  ]);
});

test('gives the reason of a skip', () => {
  const text = `test('a', { skip: 'no kernel' }, () => {}); test('b', (t) => t.skip('later')); test.todo('c');`;
  assert.deepEqual(outcomes(text), [
    ['skipped', 'a', 'no kernel'],
    ['skipped', 'b', 'later'],
    ['skipped', 'c', 'to do'],
  ]);
});

test('shows the causes of a failure too, and of random values the seed', () => {
  const random = join(import.meta.dirname, '../../arbitrary/fast-check.js');
  const [caused, drawn] = report(`
    import fc from '${random}';
    test('caused', () => { throw new Error('outer', { cause: new Error('inner') }) });
    test('drawn', () => fc.assert(fc.property(fc.nat(), () => { throw new Error('bad number') }), { seed: 4711 }));`);
  assert.match(messageOf(caused), /^Error: outer\n[^]*\nbecause of Error: inner\n/);
  assert.match(messageOf(drawn), /seed: 4711[^]*bad number/);
});

test('every test draws random values with the same settings', () => {
  const root = join(import.meta.dirname, '../../../..');
  const own = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && path !== 'arbitrary/fast-check.ts')
    .filter((path) => /from 'fast-check';$/m.test(readFileSync(join(root, 'test', path), 'utf8')));
  assert.deepEqual(own, []);
});

test('counts a file that crashed as a failure and shows what it wrote to stderr', () => {
  const text = `process.stderr.write('out of luck\\n'); process.exit(3);`;
  assert.deepEqual(outcomes(text), [['failed', 'the file itself', 'ended with 3\nout of luck']]);
});

test('counts a file without tests as nothing', () => {
  assert.deepEqual(outcomes(''), []);
});

test('passes on remarks, and ends with its last line', () => {
  assert.deepEqual(
    report(`test('a', (t) => t.diagnostic('12 cases'));`).map((line) =>
      line.kind === 'remark' ? line.message : line.kind,
    ),
    ['passed', '12 cases', 'end'],
  );
});
