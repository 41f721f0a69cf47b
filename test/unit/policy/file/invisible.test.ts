import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePolicy } from '../../../../policy/file/parse.ts';

/** What no editor shows: of no width, of direction, tags, fillers, blanks that are none, variation. */
const INVISIBLE = [
  0xa0, 0xad, 0x034f, 0x061c, 0x180e, 0x200b, 0x200d, 0x200e, 0x2060, 0x2800, 0x3164, 0xfe0f, 0xe0041,
];

test('a name with a character that nobody sees is remarked upon where it stands, and shown written out', () => {
  for (const code of INVISIBLE) {
    const rule = `from: { exe: ["/bin/c${String.fromCodePoint(code)}l"] }`;
    const source = `\ufeff# é日本\nversion: 2\nnetwork:\n  allow:\n    - ${rule}\n`;
    const { policy, problems } = parsePolicy(source, 'policy.yaml');
    const hex = code.toString(16);
    assert.ok(policy, hex);
    const [{ severity, line, column, message } = {}, ...rest] = problems;
    assert.deepEqual(
      { severity, line, column, rest },
      { severity: 'warning', line: 5, column: 28, rest: [] },
      hex,
    );
    assert.match(message!, new RegExp(`U\\+${hex.padStart(4, '0')} .*: /bin/c\\\\u\\{${hex}\\}l$`, 'i'));
  }
});

test('so is one in a key, in a plain value and in what no schema knows, once a line', () => {
  const source =
    'version: 2\nnetwork:\n  allow:\n  - from: { command: [a\u200bb, c\u200bd] }\n    na\u200bme: x\u200b\n';
  const { problems } = parsePolicy(source, 'policy.yaml');
  const remarks = problems.filter(({ severity }) => severity === 'warning');
  assert.deepEqual(
    remarks.map(({ line, column }) => [line, column]),
    [
      [4, 24],
      [5, 7],
    ],
  );
});

function warned(comment: string): number {
  const source = `version: 2\n${comment}\nnetwork: { allow: [] } ${comment}\n`;
  return parsePolicy(source, 'policy.yaml').problems.length;
}

test('a comment may join pictures and letters, but neither turn its line round nor hide a text', () => {
  assert.equal(warned('# \u26a0\ufe0f caf\u00e9\u00a0: \u{1f469}\u200d\u{1f4bb}'), 0);
  assert.equal(warned('# \u200fabc'), 2);
  assert.equal(warned('# ignore\u{e0041}'), 2);
  assert.equal(parsePolicy('version: 2\nnetwork: { allow: [{ name: "# \u200b" }] }', 'p').problems.length, 1);
});

test('what is written out is no remark, and a file full of what is not has an end of remarks', () => {
  const rule = '    - from: { exe: ["/bin/c\\u200bl"] }\n';
  assert.deepEqual(parsePolicy(`version: 2\nnetwork:\n  allow:\n${rule}`, 'p').problems, []);
  const many = '    - from: { exe: ["/bin/c\u200bl"] }\n'.repeat(1000);
  assert.equal(parsePolicy(`version: 2\nnetwork:\n  allow:\n${many}`, 'p').problems.length, 20);
});
