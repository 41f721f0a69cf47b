import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import { printPolicy } from '../../../../policy/file/print.ts';
import { policy } from '../arbitrary.ts';
import { documentOf } from '../../../arbitrary/document-of.ts';

test('parsing the print of a policy gives the policy back', () => {
  fc.assert(
    fc.property(policy, (original) => {
      const text = printPolicy(documentOf(original));
      const parsed = parsePolicy(text, 'printed.yaml');
      assert.deepEqual(
        parsed.problems.filter(({ severity }) => severity === 'error'),
        [],
        text,
      );
      assert.deepEqual(parsed.policy, original, text);
    }),
    { numRuns: 500 },
  );
});

test('a policy in few lines means the same', () => {
  let wrapped = 0;
  fc.assert(
    fc.property(policy, (original) => {
      const text = printPolicy({ ...documentOf(original), dense: true });
      assert.deepEqual(parsePolicy(text, 'printed.yaml').policy, original, text);
      if (/^ {10}/m.test(text)) wrapped++;
      for (const line of text.split('\n')) assert.ok(line.length <= 260, line);
    }),
    { numRuns: 500 },
  );
  assert.ok(wrapped > 20, `${wrapped} with lists over several lines`);
});

test('lists that are longer than the arguments of a call can be are printed', () => {
  const many = Array.from({ length: 150_000 }, (_, at) => `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}/32`);
  const allow = many.map((cidr) => ({ from: { uid: [1] }, to: [{ cidr: [cidr] }] }));
  const base = { mode: 'block', target: 'host' } as const;
  for (const dense of [false, true]) {
    const rules = printPolicy({ ...base, dense, allow });
    assert.equal(rules.split('- from: ').length - 1, many.length);
    const one = printPolicy({ ...base, dense, allow: [{ from: { uid: [1] }, to: [{ cidr: many }] }] });
    const set = printPolicy({ ...base, dense, sets: new Map([['all', { cidr: many }]]), allow: [] });
    const flat = printPolicy({ ...base, dense, flat: { cidr: { allow: many } } });
    for (const text of [one, set, flat]) assert.equal(text.split('/32').length - 1, many.length);
  }
});

test('comments of a document stand where a reader looks for them', () => {
  const text = printPolicy({
    header: 'first line\nsecond line',
    mode: 'block',
    target: 'host',
    deny: [],
    allow: [
      {
        comment: '12 events since Monday',
        name: 'nightly backup',
        from: { exe: ['/usr/bin/pg_dump'], uid: [999] },
        to: [
          {
            comment: 'the database',
            cidr: ['10.0.3.0/28', 'fd00::/8'],
            port: [443, '8000-8010'],
            protocol: ['tcp'],
          },
          { cidr: [{ value: '10.0.9.7/32', comment: 'seen once' }, '10.0.9.9/32'], protocol: [47] },
        ],
      },
    ],
    log: { format: 'json', labels: { team: 'payments' } },
  });
  assert.equal(
    text,
    `# first line
# second line
version: 2
network:
  mode: block
  target: host
  deny: []
  allow:
    # 12 events since Monday
    - name: nightly backup
      from: { exe: [/usr/bin/pg_dump], uid: [999] }
      to:
        # the database
        - { cidr: [10.0.3.0/28, "fd00::/8"], port: [443, "8000-8010"], protocol: [tcp] }
        - cidr:
            - 10.0.9.7/32 # seen once
            - 10.0.9.9/32
          protocol: [47]
log:
  format: json
  labels:
    team: payments
`,
  );
  assert.deepEqual(parsePolicy(text, 'a.yaml').problems, []);
});

test('a comment cannot end its line and become policy', () => {
  const evil = 'x\n    - name: evil\r\u2028\u0007y';
  const document = { mode: 'block', target: 'host', allow: [{ comment: evil, name: 'one' }] } as const;
  const { policy, problems } = parsePolicy(
    printPolicy({ ...document, allow: [...document.allow] }),
    'a.yaml',
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(
    policy?.boxes.map(({ name }) => name),
    ['one'],
  );
});

test('the flat layout prints as flat keys', () => {
  const text = printPolicy({
    mode: 'block',
    target: 'container',
    flat: {
      cidr: { allow: ['10.0.0.0/8'], deny: ['metadata'] },
      command: { allow: ['curl'] },
      uid: { deny: [0] },
    },
  });
  const { policy, problems } = parsePolicy(text, 'flat.yaml');
  assert.deepEqual(problems, []);
  assert.deepEqual(
    policy?.boxes.map(({ action, name, from }) => ({ action, name, from })),
    [
      { action: 'deny', name: 'cidr.deny', from: {} },
      { action: 'deny', name: 'uid.deny', from: { uid: [0] } },
      { action: 'allow', name: 'allow', from: { command: ['curl'] } },
    ],
  );
});
