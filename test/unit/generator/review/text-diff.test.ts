import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diffOf } from '../../../../generator/review/text-diff.ts';

/** As `diff -u` prints it, without its heads. */
function shown(before: string, after: string): string[] {
  const signs = { same: ' ', gone: '-', come: '+' };
  return diffOf(before, after).map((line) =>
    line.kind === 'skipped' ? `@${line.count}` : signs[line.kind] + line.text,
  );
}

const TEN = Array.from({ length: 10 }, (_, at) => `line ${at}`).join('\n');

test('equal texts have no difference', () => {
  assert.deepEqual(shown(TEN, TEN), []);
  assert.deepEqual(shown('', ''), []);
});

test('a change stands between three lines of both texts, and the rest is counted', () => {
  assert.deepEqual(shown(TEN, TEN.replace('line 5', 'other')), [
    '@2',
    ' line 2',
    ' line 3',
    ' line 4',
    '-line 5',
    '+other',
    ' line 6',
    ' line 7',
    ' line 8',
    ' line 9',
  ]);
});

test('lines that come at the begin or the end, or go there, are shown', () => {
  assert.deepEqual(shown('a\nb', 'new\na\nb'), ['+new', ' a', ' b']);
  assert.deepEqual(shown('a\nb', 'a\nb\nnew'), [' a', ' b', '+new']);
  assert.deepEqual(shown('a\nb', 'a'), [' a', '-b']);
});

test('what is shown as gone and as come makes one text of the other', () => {
  const many = Array.from({ length: 200 }, (_, at) => `l ${at % 17}`);
  const after = many.flatMap((line, at) => (at % 40 === 3 ? [] : at % 50 === 9 ? [line, 'new'] : [line]));
  const lines = diffOf(many.join('\n'), after.join('\n'));
  const side = (kind: 'gone' | 'come'): number =>
    lines.reduce(
      (sum, line) =>
        sum + (line.kind === 'skipped' ? line.count : line.kind === 'same' || line.kind === kind ? 1 : 0),
      0,
    );
  assert.equal(side('gone'), many.length);
  assert.equal(side('come'), after.length);
});
