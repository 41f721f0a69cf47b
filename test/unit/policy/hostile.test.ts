import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePolicy } from '../../../policy/file/parse.ts';

/** Files made to exhaust a parser. Each must be refused in a second. */
const HOSTILE: Record<string, string> = {
  'a million open lists': '['.repeat(1_000_000),
  'a million open maps': '{a: '.repeat(1_000_000),
  'a million nested entries': '- '.repeat(1_000_000),
  'a million nested keys': '? '.repeat(1_000_000),
  'a laugh': 'a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n',
  'a key of ten million characters': `version: 2\n${'k'.repeat(10_000_000)}: 1\n`,
  'a prototype':
    'version: 2\nnetwork: { allow: [], __proto__: { mode: block } }\n__proto__: { version: 1 }\n',
  'a name of a million characters': `version: 2\nnetwork: { allow: [{ name: ${'n'.repeat(1_000_000)} }] }\n`,
  'more than 16 MiB': `# ${'x'.repeat(17 * 1024 * 1024)}\n`,
};

const MOST_MICROSECONDS = 5_000_000;

for (const [name, source] of Object.entries(HOSTILE)) {
  test(`${name} is refused at once`, () => {
    const before = process.cpuUsage();
    const { policy, problems } = parsePolicy(source, 'hostile.yaml');
    assert.equal(policy, undefined);
    assert.ok(problems.length > 0);
    assert.ok(problems.every(({ message }) => message.length < 300));
    // Time of the processor, which others that use it do not add to. What is quadratic takes minutes.
    const { system, user } = process.cpuUsage(before);
    assert.ok(user + system < MOST_MICROSECONDS, `${user + system} us`);
  });
}
