import assert from 'node:assert/strict';
import test from 'node:test';
import { cutToWidth, displayWidth } from '../../../format/display-width.ts';

const WIDTHS: Readonly<Record<string, number>> = {
  curl: 4,
  größer: 6,
  'e\u0301': 1,
  名前: 4,
  カタカナ: 8,
  ｶﾅ: 2,
  한국어: 6,
  // A syllable of three parts that are joined.
  '\u1112\u1161\u11ab': 2,
  ｆｕｌｌ: 8,
  '🚀': 2,
  '🇩🇪': 2,
  '…': 1,
};

for (const [text, width] of Object.entries(WIDTHS)) {
  test(`${text} takes ${width} columns`, () => assert.equal(displayWidth(text), width));
}

test('a text is cut between characters, never in one', () => {
  assert.equal(cutToWidth('abcdef', 6), 'abcdef');
  assert.equal(cutToWidth('abcdef', 4), 'abc…');
  assert.equal(cutToWidth('名前名前', 6), '名前…');
  assert.equal(cutToWidth('名前名前', 4), '名…');
  assert.equal(cutToWidth('e\u0301e\u0301e\u0301', 2), 'e\u0301…');
  assert.equal(cutToWidth('abc', 0), '');
});
