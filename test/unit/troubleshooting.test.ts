import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { errorMessages } from './error-messages.ts';

const ROOT = join(import.meta.dirname, '../../..');

/** Each message of docs/troubleshooting.md, below the code that is in the heading. */
function documented(): { code: string; message: string }[] {
  const sections = readFileSync(join(ROOT, 'docs/troubleshooting.md'), 'utf8').split(/^## /m);
  return sections.flatMap((section) => {
    const [heading, ...lines] = section.split('\n');
    const start = lines.findIndex((line) => line.startsWith('| message |'));
    if (start < 0) return [];
    const codes = heading!.split(/, | and /);
    const cells = lines
      .slice(start + 2)
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.split(' | ')[0]!);
    return [...cells.join('\n').matchAll(/``(.+?)``|`(.+?)`/g)].flatMap(([, twice, once]) =>
      codes.map((code) => ({ code, message: (twice ?? once)! })),
    );
  });
}

const key = ({ code, message }: { code: string; message: string }) => `${code}: ${message}`;

test('each message that a user can meet is in docs/troubleshooting.md, below its code', () => {
  const messages = errorMessages();
  assert.ok(messages.length > 150, `${messages.length} messages`);
  const known = new Set(documented().map(key));
  assert.deepEqual(
    messages.filter((message) => !known.has(key(message))),
    [],
  );
});

test('each message there is one of the program', () => {
  const known = new Set(errorMessages().map(({ message }) => message));
  const lost = documented().filter(({ message }) => !known.has(message));
  assert.deepEqual(lost, []);
  const texts = documented().map(({ message }) => message);
  assert.ok(new Set(texts).size > 140);
});
