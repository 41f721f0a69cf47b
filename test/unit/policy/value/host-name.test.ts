import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import {
  coversNames,
  hostNameClasses,
  matchesName,
  nameMatcher,
  readNamePattern,
} from '../../../../policy/value/host-name.ts';

test('a pattern is read in the form in which names are recorded', () => {
  const forms: Record<string, string> = {
    'api.github.com': 'api.github.com',
    'API.GitHub.com.': 'api.github.com',
    '*.Example.com': '*.example.com',
    '*': '*',
    db: 'db',
    '_sip._tcp.example.com': '_sip._tcp.example.com',
    'bücher.example': 'xn--bcher-kva.example',
    '*.Bücher.example': '*.xn--bcher-kva.example',
    'пример。рф': 'xn--e1afmkfd.xn--p1ai',
    '1e100.net': '1e100.net',
    '3.example': '3.example',
    [`${'a'.repeat(63)}.example`]: `${'a'.repeat(63)}.example`,
    [`${'a.'.repeat(126)}a`]: `${'a.'.repeat(126)}a`,
  };
  for (const [text, pattern] of Object.entries(forms)) {
    assert.deepEqual(readNamePattern(text), { pattern }, text);
  }
});

test('what is no name is refused, with what to write', () => {
  const faults: Record<string, RegExp> = {
    '10.0.0.1': /is an address, not a name: .*cidr: \["10\.0\.0\.1"\]/,
    '10.0.0.0/8': /is an address, not a name: .*cidr/,
    '::1': /is an address, not a name/,
    '[2001:db8::1]': /is an address, not a name/,
    '*.10.0.0.1': /is an address, not a name/,
    '127.1': /ends with a number/,
    '0x7f.0x1': /ends with a number/,
    '2130706433': /ends with a number/,
    '１.２.３.４': /ends with a number/,
    '**.example.com':
      /\* elsewhere than as its first label: write "\*\.example\.com": \*\. goes to any depth/,
    '**': /\* elsewhere/,
    'a*.example.com': /\* elsewhere/,
    '*.*.example.com': /\* elsewhere/,
    'a.*.example.com': /\* elsewhere/,
    '*example.com': /\* elsewhere/,
    'https://example.com': /is more than a name: write the name alone/,
    'example.com:443': /is more than a name/,
    'example.com/path': /is more than a name/,
    'user@example.com': /is more than a name/,
    'a%2eexample.com': /is more than a name/,
    'a.example b.example': /is not one name/,
    'a.example,b.example': /is not one name/,
    '.example.com': /has an empty label: write "\*\.example\.com"/,
    'a..example': /has an empty label/,
    'a.example..': /has an empty label/,
    '.': /has an empty label/,
    '*.': /has an empty label/,
    [`${'a'.repeat(64)}.example`]: /a label of more than 63 bytes/,
    [`${'a.'.repeat(126)}ab`]: /longer than 253 bytes/,
    [`*.${'a.'.repeat(125)}ab`]: /longer than 253 bytes/,
    'a!b.example': /is not a domain name/,
    'a\u0000b.example': /is not a domain name|is more than a name/,
    'xn--\u00e4.\ud800': /is not a domain name/,
  };
  for (const [text, says] of Object.entries(faults)) {
    const reading = readNamePattern(text);
    assert.ok('fault' in reading, `${text} is taken for ${JSON.stringify(reading)}`);
    assert.match(`${reading.fault}: ${reading.help}`, says, text);
  }
});

test('*. stands for the names below one at any depth, and neither for that name nor for what only ends like it', () => {
  for (const name of ['a.example.com', 'a.b.example.com', '_x.example.com']) {
    assert.ok(matchesName('*.example.com', name), name);
  }
  for (const name of ['example.com', 'notexample.com', '.example.com', 'a.example.com.evil', 'com', '']) {
    assert.ok(!matchesName('*.example.com', name), name);
  }
  assert.ok(matchesName('*', 'any.name'));
  assert.ok(!matchesName('example.com', 'a.example.com'));
});

/** Every name of up to four of these labels. */
const NAMES = ['a', 'b', 'ab'];
for (let at = 0; NAMES[at]!.split('.').length < 4; at++) {
  NAMES.push(...['a', 'b', 'ab'].map((label) => `${label}.${NAMES[at]}`));
}
const pattern = fc.oneof(
  fc.constantFrom(...NAMES.slice(0, 40)),
  fc.constantFrom(...NAMES.slice(0, 12)).map((name) => `*.${name}`),
  fc.constant('*'),
);

test('a pattern covers another where it matches each name that the other does', () => {
  fc.assert(
    fc.property(pattern, pattern, (outer, inner) => {
      const within = NAMES.every((name) => !matchesName(inner, name) || matchesName(outer, name));
      // `*` stands for names of other labels too.
      const expected = inner === '*' ? outer === '*' : within;
      assert.equal(coversNames(outer, inner), expected, `${outer} ${inner}`);
    }),
    { numRuns: 3000 },
  );
});

test('a list of patterns matches what one of them does', () => {
  const others = ['', '.', '.a', 'a.', 'a..b', '*.a', 'xa.b', 'other'];
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 6 }), (patterns) => {
      const matches = nameMatcher(patterns);
      for (const name of [...NAMES, ...others]) {
        const expected = patterns.some((each) => matchesName(each, name));
        assert.equal(matches(name), expected, `${patterns.join(' ')}: ${name}`);
      }
    }),
    { numRuns: 500 },
  );
});

test('every name has a class whose witness the patterns treat the same, and what patterns tell apart is in two', () => {
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 6 }), (patterns) => {
      const signatureOf = (name: string) => patterns.map((each) => matchesName(each, name)).join();
      const witnesses = hostNameClasses(patterns);
      const signatures = new Set(witnesses.map(signatureOf));
      for (const name of [...NAMES, 'other'])
        assert.ok(signatures.has(signatureOf(name)), `${patterns.join(' ')}: ${name}`);
      for (const one of patterns) {
        for (const other of patterns) {
          if (coversNames(one, other)) continue;
          const apart = witnesses.some((name) => matchesName(other, name) && !matchesName(one, name));
          assert.ok(apart, `${one} ${other}`);
        }
      }
    }),
    { numRuns: 500 },
  );
});
