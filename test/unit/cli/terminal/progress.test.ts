import assert from 'node:assert/strict';
import test from 'node:test';
import { displayWidth } from '../../../../format/display-width.ts';
import { scriptInTerminal } from './terminal.ts';

const room = (path: string): string => JSON.stringify(new URL(`../../../../${path}`, import.meta.url).href);

/** Three lines as `learn --until stable` shows them. */
const SHOW = `
  const { Messages } = await import(${room('daemon/messages.js')});
  const { Progress } = await import(${room('cli/terminal/progress.js')});
  const messages = new Messages();
  const progress = new Progress(messages, 'learning', 86400, () => 48048);
  const state = { connections: 633110, intents: 211010, processes: 4210, lost: 7, readiness: 'stable 12 of 40' };
  for (let line = 0; line < 3; line += 1) progress.show(state);
  progress.end();
  await messages.settle();`;

test('no progress line is wider than its terminal, so that it does not scroll', () => {
  for (const columns of [80, 40]) {
    const lines = scriptInTerminal(columns, SHOW).split('\r\u001b[K');
    assert.equal(lines.length, 5);
    for (const line of lines) assert(displayWidth(line) < columns, line);
    assert.match(lines[1]!, /^learning 13:20:48 \/ 24:00:00 .*…$/);
  }
});

test('a wide terminal shows all of the progress line', () => {
  assert.match(
    scriptInTerminal(160, SHOW),
    /learning 13:20:48 \/ 24:00:00 {2}connections 633,110 {2}processes 4,210 {2}lost 7 {2}stable 12 of 40 {2}intents 211,010\r/,
  );
});

test('a terminal that does not say its width is taken for one of 80 columns', () => {
  const lines = scriptInTerminal(0, SHOW).split('\r\u001b[K');
  assert.equal(displayWidth(lines[1]!), 79);
});
