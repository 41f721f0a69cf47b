import assert from 'node:assert/strict';
import test from 'node:test';
import { appendRules } from '../../../../policy/file/edit/append.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';

const HEAD = 'version: 2\nnetwork:\n  mode: block\n';
const CURL = { exe: ['/usr/bin/curl'], uid: [0] };
const TO = [{ cidr: ['10.0.0.1/32'], port: [80] }];

function append(body: string, from = CURL, to = TO): string {
  const text = appendRules(HEAD + body, 'allow', [{ name: 'new', from, to }]);
  const { policy, problems } = parsePolicy(text, 'policy.yaml');
  assert.ok(policy, problems.map(({ message }) => message).join('\n'));
  assert.ok(text.startsWith(HEAD));
  return text.slice(HEAD.length);
}

test('a rule goes to the end of the list, with the indentation of the list', () => {
  const body =
    '  allow:\n  # first\n  - name: a # of two\n    to:\n    - cidr: [192.0.2.1] # here\nlog: { format: json }\n';
  assert.equal(
    append(body),
    `  allow:
  # first
  - name: a # of two
    to:
    - cidr: [192.0.2.1] # here
  - name: new
    from: { exe: [/usr/bin/curl], uid: [0] }
    to:
      - { cidr: [10.0.0.1/32], port: [80] }
log: { format: json }
`,
  );
});

test('destinations go to the rule that names the same subjects, however it is written', () => {
  const body = `  allow:
    - from:
        uid: [0]
        exe:
          - /usr/bin/curl
      to:
        # the first
        - cidr: [192.0.2.1]
          port: [443] # https

    - name: other
`;
  assert.equal(
    append(body),
    body.replace('# https\n', '# https\n        - { cidr: [10.0.0.1/32], port: [80] }\n'),
  );
});

test('lists in one line stay in one line', () => {
  const rule = '- { from: { exe: [/usr/bin/curl], uid: [0] }, to: [{ cidr: [192.0.2.1] }] } # why';
  assert.equal(
    append(`  allow:\n    ${rule}\n`),
    '  allow:\n    - { from: { exe: [/usr/bin/curl], uid: [0] }, to: [{ cidr: [192.0.2.1] }, { cidr: [10.0.0.1/32], port: [80] }] } # why\n',
  );
  assert.match(append('  allow: [{ name: a }]\n'), /allow: \[\{ name: a \}, \{ name: new, from: /);
});

test('an empty list becomes a block, and a file may end without a line break', () => {
  assert.equal(
    append('  allow: [] # nothing yet\nlog: { format: json }'),
    `  allow: # nothing yet
    - name: new
      from: { exe: [/usr/bin/curl], uid: [0] }
      to:
        - { cidr: [10.0.0.1/32], port: [80] }
log: { format: json }`,
  );
  assert.match(append('  allow:\n    - name: a'), /- name: a\n {4}- name: new\n/);
});

test('several destinations keep their order', () => {
  const body =
    '  allow:\n    - from: { exe: [/usr/bin/curl], uid: [0] }\n      to:\n        - cidr: [192.0.2.1]\n';
  const ports = [1, 2, 3].map((port) => ({ port: [port] }));
  const text = append(body, CURL, ports as never);
  assert.deepEqual(
    [...text.matchAll(/port: \[(\d)\]/g)].map(([, port]) => port),
    ['1', '2', '3'],
  );
});
