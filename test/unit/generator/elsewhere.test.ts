import assert from 'node:assert/strict';
import test from 'node:test';
import type { Subject } from '../../../profiler/read/observation.ts';
import { observed, policyOf, print } from './fixture.ts';
import { findDrift } from './drift/find-drift.ts';

const jailed = (unit: string | undefined, change: Partial<Subject> = {}) =>
  observed({
    subject: { exe: 'elsewhere:/usr/bin/curl', ...(unit && { unit }), ...change },
    address: 0x0a000009n,
  });

test('a program in another root makes no rule for the file that the host has at its path', () => {
  const text = print([observed({ subject: { exe: '/usr/bin/psql' } }), jailed('jail.service')]);
  assert.doesNotMatch(text, /curl\]/);
  assert.match(
    text,
    /from: \{ uid: \[1000\], unit: \[jail\.service\] \}\n +to:\n +- \{ cidr: \[10\.0\.0\.9\/32\]/,
  );
  assert.match(text, /review: .*program that is no file of the host: the rule is for its whole service/);
});

test('it gets no rule where its unit would let programs of the host go there too, and says so', () => {
  for (const unit of ['session-3.scope', 'user@1000.service', 'cron.service', undefined]) {
    const text = print([observed({ subject: { unit: 'cron.service' } }), jailed(unit)]);
    assert.doesNotMatch(text, /10\.0\.0\.9|unit:/, unit);
    const reason = 'no rule can name it: the program is no file of the host, and no service is its alone';
    assert.ok(
      text.includes(`Not allowed (unnamed subject): elsewhere:/usr/bin/curl uid 1000 (${reason}), 1 event`),
      text,
    );
  }
});

test("drift tells a jail's program from the host's of the same path", () => {
  const policy = policyOf(
    'version: 2\nnetwork: { mode: block, allow: [{ name: curl, from: { exe: [/usr/bin/curl] } }] }\n',
  );
  const drift = findDrift(policy, [observed(), jailed(undefined), jailed(undefined, { inContainer: true })]);
  assert.deepEqual(
    drift.new.map(({ exe, inContainer }) => [exe, inContainer]),
    [
      ['elsewhere:/usr/bin/curl', false],
      ['elsewhere:/usr/bin/curl', true],
    ],
  );
});

test('a file named `a (deleted)` is not taken for deleted, a deleted one is', () => {
  const text = print(
    [
      observed({ subject: { exe: '/opt/a (deleted)', undeleted: true } }),
      observed({ subject: { exe: '/opt/b (deleted)', command: 'b' }, address: 0x0a000009n }),
    ],
    { allowCommandRules: true },
  );
  assert.match(text, /exe: \["?\/opt\/a \(deleted\)"?\]/);
  assert.doesNotMatch(text, /exe: \["?\/opt\/b/);
  assert.equal(text.match(/deleted executable/g)?.length, 1);
});

test('a program whose path was too long to be known is not allowed by its command without a mark', () => {
  const subject = { exe: 'unknown: the path is too long', command: 'deep' };
  assert.match(
    print([observed(), observed({ subject })]),
    /^# Not allowed \(program unknown\): command deep /m,
  );
  const text = print([observed(), observed({ subject })], { allowCommandRules: true });
  assert.match(text, /review: .*executable whose path is too long to be known/);
});
