import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { endAtEnd } from '../../at-end.ts';
import { databaseFor } from '../../profiler/fixture.ts';
import { TerminalScreen } from '../terminal/screen.ts';

const MAIN = join(import.meta.dirname, '../../../../bundle/main.js');

/** `top` of a recorder of 10,000 connections a second, on a terminal. */
async function topOf(t: TestContext, columns: number, env: Record<string, string> = {}) {
  const path = databaseFor(t);
  const child = join(import.meta.dirname, 'busy-recorder-child.js');
  const recorder = spawn(process.execPath, [child, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  endAtEnd(t, recorder);
  await once(recorder.stdout, 'data');
  const screen = await TerminalScreen.start(columns, 12, [process.execPath, MAIN, 'top', '--db', path], env);
  await screen.until((lines) => lines.some((line) => /^ *[\d,.]+ .*curl/.test(line)));
  return { recorder, screen };
}

for (const columns of [60, 80, 200]) {
  test(`top shows who connects where on ${columns} columns, and goes with q`, async (t) => {
    const { screen } = await topOf(t, columns);
    const [title, , , head] = screen.lines;
    assert.match(title!, /^bouheki top {2}\//);
    assert.match(head!, /^RATE\/S .*SUBJECT$/);
    assert.ok(screen.isOther);
    screen.type('v');
    await screen.until((lines) => lines.some((line) => /10\.0\.0\.|0\.0\.0\.\d+:443\/tcp/.test(line)));
    screen.type('q');
    assert.equal(await screen.ended(), 0);
    assert.ok(!screen.isOther);
    assert.ok(screen.output.endsWith('\u001b[?25h\u001b[?1049l'), 'the cursor is shown again');
  });
}

test('while it is paused its numbers stand still', async (t) => {
  const { screen } = await topOf(t, 80);
  screen.type('p');
  const paused = await screen.until((lines) => lines[0]!.endsWith('paused'));
  screen.type('s');
  const sorted = await screen.until((lines) => lines.at(-1)!.includes('s by count'));
  assert.equal(sorted[1], paused[1]);
  screen.type('p');
  await screen.until((lines) => lines[1] !== paused[1]);
  screen.type('q');
  await screen.ended();
});

test('a signal, the end of the recorder and the end of the terminal leave it as it was', async (t) => {
  for (const end of ['SIGINT', 'SIGTERM', 'recorder', 'terminal'] as const) {
    const { recorder, screen } = await topOf(t, 80, { NO_COLOR: '1' });
    if (end === 'recorder') recorder.kill('SIGTERM');
    else if (end === 'terminal') screen.close();
    else process.kill(screen.pid, end);
    assert.equal(await screen.ended(), 0, end);
    if (end !== 'terminal') assert.ok(!screen.isOther, end);
    // oxlint-disable-next-line no-control-regex
    assert.doesNotMatch(screen.output, /\u001b\[3\dm/, 'no colours');
  }
});

test('an error that nobody catches is printed where one sees it', async () => {
  const file = new URL('../../../../cli/terminal/full-screen.js', import.meta.url).href;
  const script = `
    const { FullScreen } = await import(${JSON.stringify(file)});
    const screen = new FullScreen({ key() {}, resized() {}, gone() {} });
    screen.enter();
    screen.draw(['one', 'two']);
    setTimeout(() => { throw new Error('a bug'); }, 50);`;
  const screen = await TerminalScreen.start(80, 24, [process.execPath, '--input-type=module', '-e', script]);
  assert.equal(await screen.ended(), 1);
  assert.ok(!screen.isOther);
  assert.ok(screen.lines.some((line) => line.includes('Error: a bug')));
});
