import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../arbitrary/fast-check.ts';
import { parsePolicy } from '../../../policy/file/parse.ts';
import type { Subject } from '../../../profiler/read/observation.ts';
import { observed, print, unlessNoData } from './fixture.ts';

/** Names as a process may choose them: it can call itself, its files and its cgroup anything. */
const piece = fc.constantFrom(
  'a',
  '/',
  '.',
  '..',
  '*',
  ' ',
  '"',
  "'",
  '\n',
  '\t',
  '#',
  ': ',
  '\u202e',
  '\u2066',
  '\u2028',
  '\ufeff',
  '\u{1f600}',
  '\ufffd',
  '\\',
  'é',
);
const name = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''));
const path = name.map((text) => `/${text}`);
const subject = fc.record(
  {
    command: name,
    exe: path,
    script: path,
    inContainer: fc.boolean(),
    container: name,
    image: name,
    unit: name,
    cgroup: path,
  },
  { requiredKeys: ['command', 'inContainer'] },
);

test('whatever a process calls itself, the policy is one, and names nobody else', () => {
  fc.assert(
    fc.property(
      fc.array(subject, { minLength: 1, maxLength: 4 }),
      fc.constantFrom('auto', 'exe', 'script', 'container', 'image', 'unit'),
      (subjects, by) => {
        const record = subjects.map((each) => observed({ subject: each as Partial<Subject> }));
        const text = unlessNoData(() => print(record, { by: by as 'auto' }));
        if (text === undefined) return;
        const { policy, problems } = parsePolicy(text, 'policy.yaml');
        assert.ok(policy, `${problems[0]?.message}\n${text}`);
        for (const { from } of policy.boxes) {
          for (const values of Object.values(from) as unknown[][])
            assert.ok(!values.some((value) => String(value).includes('*')), text);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('a flat policy lists no command that stands for others', () => {
  const list = [
    observed(),
    observed({ subject: { command: '*' } }),
    observed({ subject: { command: 'a/b' } }),
  ];
  assert.match(print(list, { layout: 'flat' }), /command:\n +allow: \[curl\]\n/);
});

test('a program whose name would stand for others is left out, and said', () => {
  const list = [observed(), observed({ subject: { command: '*', exe: '/tmp/a*' } })];
  assert.match(
    print(list),
    /^# Not allowed \(unnamed subject\): \/tmp\/a\* uid 1000 \(no rule can name it: the path of its executable holds \*\), 1 event to 1 destination$/m,
  );
});

test('a path that is no UTF-8 gets no rule, which would never match, but its reason', () => {
  const list = [observed(), observed({ subject: { exe: '/opt/caf\ufffd' } })];
  const text = print(list, { allowCommandRules: true });
  assert.match(
    text,
    /^# Not allowed \(unnamed subject\): .*the path of its executable is no UTF-8\), 1 event /m,
  );
  assert.doesNotMatch(text, /exe: \[.*caf/);
});

/** What is generated where a container without a name connects from a cgroup. */
function policyFor(cgroup: string): string {
  return print([observed(), observed({ subject: { inContainer: true, cgroup } })]);
}

test('a container without a name is named by its cgroup, unless that is shared or of this one container', () => {
  assert.match(policyFor('/strange/box'), /cgroup: \[\/strange\/box\]/);
  const ofContainer = `/machine.slice/libpod-${'0123456789abcdef'.repeat(4)}.scope/container`;
  for (const cgroup of ['/user.slice/app.service', ofContainer]) {
    const text = policyFor(cgroup);
    assert.match(text, /^# Not allowed \(unnamed subject\): unknown container uid 1000, /m);
    assert.doesNotMatch(text, /cgroup:|container:/);
  }
});
