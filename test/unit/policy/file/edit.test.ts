import assert from 'node:assert/strict';
import test from 'node:test';
import {
  findMarks,
  removeMarks,
  removeRule,
  replaceEntry,
  replaceSockets,
} from '../../../../policy/file/edit/edit.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';

const HEAD = 'version: 2\nnetwork:\n  mode: block\n';
const BODY = `  allow: # ours
    # written by hand
    # review: seen once: 192.0.2.1:443/tcp
    - name: first # of three
      from: { uid: [0] }
      to:
        # added: 1 event, 2026-11-21 00:00:00Z
        - { cidr: [192.0.2.1/32], port: [443], protocol: [tcp] } # why
        # the second
        - cidr: # two
            - 192.0.2.2/32 # one
            - 192.0.2.3/32
          port: [80]

    # about sockets
    - name: second
      to: [{ cidr: [192.0.2.4/32] }, { cidr: [192.0.2.5/32] }]
      sockets: [raw, packet]
    - { name: third, to: [{ port: [53] }] }
log: { format: json }
`;

/** The lines that an edit took away and put in. */
function changes(edited: string): { gone: string[]; come: string[] } {
  const { policy, problems } = parsePolicy(edited, 'policy.yaml');
  assert.ok(policy, problems.map(({ message }) => message).join('\n'));
  const [before, after] = [HEAD + BODY, edited].map((text) => text.split('\n'));
  return {
    gone: before!.filter((line) => !after!.includes(line)).map((line) => line.trim()),
    come: after!.filter((line) => !before!.includes(line)).map((line) => line.trim()),
  };
}

function come(edited: string): string[] {
  return changes(edited).come;
}

test('marks are found above rules and above destinations, and nothing else is', () => {
  assert.deepEqual(findMarks(HEAD + BODY), [
    { location: { rule: 0 }, marks: ['review: seen once: 192.0.2.1:443/tcp'] },
    { location: { rule: 0, entry: 0 }, marks: ['added: 1 event, 2026-11-21 00:00:00Z'] },
  ]);
});

test('a mark goes, what was written by hand beside it stays', () => {
  assert.deepEqual(changes(removeMarks(HEAD + BODY, { rule: 0 })), {
    gone: ['# review: seen once: 192.0.2.1:443/tcp'],
    come: [],
  });
});

test('an entry is exchanged on its own lines, and its comments are kept', () => {
  const other = [{ cidr: ['192.0.2.9/32'], port: [22] }];
  assert.deepEqual(changes(replaceEntry(HEAD + BODY, { rule: 0, entry: 0 }, other)), {
    gone: ['- { cidr: [192.0.2.1/32], port: [443], protocol: [tcp] } # why'],
    come: ['# why', '- { cidr: [192.0.2.9/32], port: [22] }'],
  });
  assert.deepEqual(changes(replaceEntry(HEAD + BODY, { rule: 0, entry: 1 }, other)), {
    gone: ['- cidr: # two', '- 192.0.2.2/32 # one', '- 192.0.2.3/32', 'port: [80]'],
    come: ['# two', '# one', '- { cidr: [192.0.2.9/32], port: [22] }'],
  });
});

test('entries in one line stay in one line', () => {
  const location = { rule: 1, entry: 0 };
  assert.deepEqual(come(replaceEntry(HEAD + BODY, location, [])), ['to: [{ cidr: [192.0.2.5/32] }]']);
  assert.deepEqual(come(replaceEntry(HEAD + BODY, { rule: 1, entry: 1 }, [])), [
    'to: [{ cidr: [192.0.2.4/32] }]',
  ]);
  assert.deepEqual(come(replaceEntry(HEAD + BODY, location, [{ port: [1] }])), [
    'to: [{ port: [1] }, { cidr: [192.0.2.5/32] }]',
  ]);
});

test('a rule goes with the last of what it allows, but not the comment above it', () => {
  assert.deepEqual(changes(replaceEntry(HEAD + BODY, { rule: 2, entry: 0 }, [])), {
    gone: ['- { name: third, to: [{ port: [53] }] }'],
    come: [],
  });
  const gone = changes(removeRule(HEAD + BODY, 1)).gone;
  assert.deepEqual(gone.slice(0, 1), ['- name: second']);
  assert.equal(gone.includes('# about sockets'), false);
  const one = `${HEAD}  allow:\n    # review: odd\n    - name: only\n      to: [{ port: [1] }]\nlog: { format: json }\n`;
  assert.equal(removeRule(one, 0), `${HEAD}  allow: []\nlog: { format: json }\n`);
});

test('sockets go one after the other', () => {
  assert.deepEqual(changes(replaceSockets(HEAD + BODY, 1, ['raw'])).come, ['sockets: [raw]']);
  assert.deepEqual(changes(replaceSockets(HEAD + BODY, 1, [])).gone, ['sockets: [raw, packet]']);
  const only = `${HEAD}  allow:\n    - sockets: [raw]\n      name: only\n    - name: other\n`;
  assert.equal(replaceSockets(only, 0, []), `${HEAD}  allow:\n    - name: other\n`);
});
