import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { cutCommand, matchesCommand, matchesGlob, matchesPath } from '../../../../policy/value/name.ts';
import { nameClasses } from '../../../../policy/value/name-class.ts';

/** Every text of up to five of these characters, of which no pattern has the last. */
const TEXTS = [''];
for (let at = 0; TEXTS[at]!.length < 5; at++) TEXTS.push(...['a', 'b', 'x'].map((end) => TEXTS[at] + end));

const pattern = fc.stringMatching(/^[ab*]{1,4}$/);

test('a glob matches what the same regular expression matches', () => {
  fc.assert(
    fc.property(pattern, (each) => {
      const expression = new RegExp(`^${each.replaceAll('*', '.*')}$`);
      for (const text of TEXTS)
        assert.equal(matchesGlob(each, text), expression.test(text), `${each} ${text}`);
    }),
    { numRuns: 500 },
  );
});

test('every name has a class whose witness the patterns treat the same, and no two classes are treated the same', () => {
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 5 }), (patterns) => {
      const signatureOf = (text: string) => patterns.map((each) => matchesGlob(each, text)).join();
      const signatures = nameClasses(patterns).map(signatureOf);
      assert.equal(new Set(signatures).size, signatures.length);
      for (const text of TEXTS) {
        if (text !== '') assert.ok(signatures.includes(signatureOf(text)), `${patterns.join(' ')}: ${text}`);
      }
    }),
    { numRuns: 500 },
  );
});

/** Every path of up to six of these characters. */
const PATHS = ['/'];
for (let at = 0; PATHS[at]!.length < 6; at++) PATHS.push(...['a', '/', 'x'].map((end) => PATHS[at] + end));
const pathPattern = fc.stringMatching(/^(\/[a*]{1,2}){1,2}$/);

test('a pattern of paths matches what the same regular expression matches, and no step more or less', () => {
  fc.assert(
    fc.property(pathPattern, (each) => {
      const expression = new RegExp(`^${each.replaceAll('*', '[^/]*')}$`);
      for (const path of PATHS)
        assert.equal(matchesPath(each, path), expression.test(path), `${each} ${path}`);
    }),
    { numRuns: 300 },
  );
});

test('every path has a class whose witness the patterns treat the same', () => {
  fc.assert(
    fc.property(fc.array(pathPattern, { maxLength: 4 }), (patterns) => {
      const signatureOf = (path: string) => patterns.map((each) => matchesPath(each, path)).join();
      const signatures = nameClasses(patterns, '/').map(signatureOf);
      assert.equal(new Set(signatures).size, signatures.length);
      for (const path of PATHS)
        assert.ok(signatures.includes(signatureOf(path)), `${patterns.join(' ')}: ${path}`);
    }),
    { numRuns: 300 },
  );
});

test('commands are cut at 15 bytes, and cutting again changes nothing', () => {
  assert.equal(cutCommand('systemd-resolved'), 'systemd-resolve');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (command) => {
      const cut = cutCommand(command);
      assert.equal(cutCommand(cut), cut);
      assert.equal(matchesCommand(command.replaceAll('*', '+'), command.replaceAll('*', '+')), true);
    }),
    { numRuns: 5000 },
  );
});
