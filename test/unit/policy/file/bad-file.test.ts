import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import { renderProblem } from '../../../../policy/file/problem.ts';

/** One fault each; `^` under a line is where it must be found (the line above it, that column). */
const BAD: Record<string, { text: string; says: RegExp }> = {
  'an empty file': { text: '\n^', says: /empty/ },
  'only a comment': { text: '# nothing\n^', says: /empty/ },
  'a list at the top': { text: '- version: 2\n^', says: /must be a map, not a list/ },
  'text at the top': { text: 'block\n^', says: /must be a map, not the text "block"/ },
  'an unknown version': {
    text: 'version: 3\n         ^\nnetwork: {}',
    says: /version must be the number 1 or 2/,
  },
  'a version in quotes': {
    text: 'version: "2"\n         ^\nnetwork: {}',
    says: /version must be the number/,
  },
  'no network': { text: 'version: 2\n^', says: /network is missing/ },
  'no allow': { text: 'version: 2\nnetwork:\n  mode: block\n  ^', says: /network\.allow is missing/ },
  'a key misspelt': {
    text: 'version: 2\nnetwork:\n  dney: []\n  ^\n  allow: []',
    says: /unknown key "dney" in network/,
  },
  'a key twice': {
    text: 'version: 2\nnetwork:\n  mode: block\n  allow: []\n  mode: monitor\n  ^',
    says: /the key "mode" is here twice/,
  },
  'a key that is no text': {
    text: 'version: 2\nnetwork: { 1: x }\n           ^',
    says: /key must be plain text/,
  },
  'a deny by name': {
    text: 'version: 2\nnetwork:\n  allow: []\n  deny:\n    - to: [{ name: [a.example] }]\n                   ^',
    says: /a deny rule cannot name its destinations: it would miss each address that was not looked up/,
  },
  'an address as a name': {
    text: 'version: 2\nnetwork:\n  allow:\n    - to: [{ name: [a.example, 10.0.0.1] }]\n                               ^',
    says: /"10\.0\.0\.1" is an address, not a name/,
  },
  'two stars in a name': {
    text: 'version: 2\nnetwork:\n  allow:\n    - to: [{ name: ["**.a.example"] }]\n                    ^',
    says: /has a \* elsewhere than as its first label/,
  },
  'a wildcard without quotes': {
    text: 'version: 2\nnetwork:\n  allow:\n    - to: [{ name: [*.a.example] }]\n                    ^',
    says: /aliases \(\*name\) are not accepted/,
  },
  'no name': {
    text: 'version: 2\nnetwork:\n  allow:\n    - to: [{ name: [] }]\n                   ^',
    says: /is empty/,
  },
  'keep without a name': {
    text: 'version: 2\nnetwork:\n  allow:\n    - to: [{ cidr: [10.0.0.1], keep: 1h }]\n                                     ^',
    says: /keep says for how long names count, and this destination has none/,
  },
  'keep without a unit': {
    text: 'version: 2\nnetwork:\n  allow:\n    - to: [{ name: [a.example], keep: 60 }]\n                                      ^',
    says: /must be text, not the number 60/,
  },
  'a keep with its units in the wrong order': {
    text: 'version: 2\nnames: { keep: 30m1h }\n               ^\nnetwork:\n  allow: []',
    says: /keep: 30m1h has its units out of order/,
  },
  'a keep longer than names are remembered': {
    text: 'version: 2\nnames: { keep: 8d }\n               ^\nnetwork:\n  allow: []',
    says: /keep: 8d is longer than names are remembered, 7d/,
  },
  'a resolver that is no address': {
    text: 'version: 2\nnames: { resolvers: [auto, "10.0.0.0/8"] }\n                           ^\nnetwork:\n  allow: []',
    says: /"10\.0\.0\.0\/8" is not the address of a resolver/,
  },
  'except beside a name alone': {
    text: 'version: 2\nnetwork:\n  allow:\n    - to: [{ name: [a.example], except: [1.1.1.1] }]\n                                        ^',
    says: /except carves from cidr, which is not here/,
  },
  'an unknown mode': {
    text: 'version: 2\nnetwork:\n  mode: blok\n        ^\n  allow: []',
    says: /must be one of monitor, block, not "blok"/,
  },
  'an unknown target': {
    text: 'version: 2\nnetwork:\n  target: pod\n          ^\n  allow: []',
    says: /must be one of host, container/,
  },
  'an anchor': { text: 'version: 2\nnetwork: &n\n         ^\n  allow: []', says: /anchors/ },
  'an alias': { text: 'version: 2\nnetwork:\n  allow: *n\n         ^', says: /aliases/ },
  'a tag': { text: 'version: !!int 2\n         ^\nnetwork: { allow: [] }', says: /tags/ },
  'a directive': { text: '%YAML 1.1\n^\n---\nversion: 2', says: /directives/ },
  'a second document': {
    text: 'version: 2\nnetwork: { allow: [] }\n---\n^\nnetwork: {}',
    says: /second document/,
  },
  'a tab': { text: 'version: 2\nnetwork:\n\tallow: []\n^', says: /tabs/ },
  'a character that nobody sees': {
    text: 'version: 2\nnetwork: # \u202e\n           ^\n  allow: []',
    says: /invisible character U\+202E/,
  },
  'a control character': { text: 'version: 2 \u001f\n           ^\nnetwork: { allow: [] }', says: /U\+001F/ },
  'a control character in a label': {
    text: 'version: 2\nnetwork: { allow: [] }\nlog: { labels: { a: "\\e" } }\n                    ^',
    says: /control characters/,
  },
  'a list that does not end': {
    text: 'version: 2\nnetwork: { allow: [\n                   ^',
    says: /\]|\}/,
  },
  'a quote that does not end': { text: 'version: 2\nnetwork: "\n          ^', says: /quote/ },
  'an octal number': {
    text: 'version: 2\nnetwork:\n  allow:\n    - from: { uid: [0o17] }\n                    ^',
    says: /"0o17" would be read as the number 15/,
  },
  'a leading zero': {
    text: 'version: 2\nnetwork:\n  allow:\n    - from: { uid: [007] }\n                    ^',
    says: /"007" would be read as the number 7/,
  },
  'a uid that is a name': {
    text: 'version: 2\nnetwork:\n  allow:\n    - from: { uid: [root] }\n                    ^',
    says: /must be a number, not the text "root"/,
  },
  'a uid below zero': {
    text: 'version: 2\nnetwork:\n  allow:\n    - from: { uid: [-1] }\n                    ^',
    says: /must be at least 0, not -1/,
  },
  'a uid above 32 bits': {
    text: 'version: 2\nnetwork:\n  allow:\n    - from: { gid: [4294967296] }\n                    ^',
    says: /must be at most 4294967295/,
  },
  'a command that is a number': {
    text: 'version: 2\nnetwork:\n  allow:\n    - from: { command: [7] }\n                        ^',
    says: /must be text, not the number 7/,
  },
  'a command with a glob inside': {
    text: 'version: 2\nnetwork:\n  allow:\n    - from: { command: [a*b] }\n                        ^',
    says: /only the last character may be \*/,
  },
  'a command that is a path': {
    text: 'version: 2\nnetwork:\n  allow:\n    - from: { command: [/bin/sh] }\n                        ^',
    says: /is a path, not a command/,
  },
  'a relative exe': {
    text: 'version: 2\nnetwork:\n  allow:\n    - from: { exe: [bin/sh] }\n                    ^',
    says: /not an absolute path/,
  },
  'an exe with dots': {
    text: 'version: 2\nnetwork:\n  allow:\n    - from: { exe: [/bin/../sh] }\n                    ^',
    says: /not in its shortest form/,
  },
  'an exe with a glob for any directories': {
    text: 'version: 2\nnetwork:\n  allow:\n    - from: { exe: ["/b/**"] }\n                    ^',
    says: /\*\* is not accepted in a path of a file/,
  },
  'a name with a line break': {
    text: 'version: 2\nnetwork:\n  allow:\n    - name: "a\\nb"\n            ^',
    says: /control characters/,
  },
  'an empty list of subjects': {
    text: 'version: 2\nnetwork:\n  allow:\n    - from: { uid: [] }\n                   ^',
    says: /is empty/,
  },
  'an octet above 255': {
    text: 'version: 2\nnetwork:\n  allow:\n    - to: [{ cidr: [10.0.0.256] }]\n                    ^',
    says: /octet above 255/,
  },
  'an octet with a leading zero': {
    text: 'version: 2\nnetwork:\n  allow:\n    - to: [{ cidr: [10.0.0.1, 010.0.0.1] }]\n                              ^',
    says: /leading zero/,
  },
  'a prefix too long': {
    text: 'version: 2\nnetwork:\n  allow:\n    - to: [{ cidr: [10.0.0.0/33] }]\n                    ^',
    says: /"\/33" is not a prefix length of IPv4/,
  },
  'a zone': {
    text: 'version: 2\nnetwork:\n  allow:\n    - to: [{ cidr: ["fe80::1%eth0"] }]\n                    ^',
    says: /zone/,
  },
  'an unknown group': {
    text: 'version: 2\nnetwork:\n  allow:\n    - to:\n        - cidr: [privat]\n                 ^',
    says: /"privat" is not an address or a CIDR/,
  },
  'an except without cidr': {
    text: 'version: 2\nnetwork:\n  allow:\n    - to: [{ except: [10.0.0.1] }]\n                     ^',
    says: /except carves from cidr/,
  },
  'an except that leaves nothing': {
    text: 'version: 2\nnetwork:\n  allow:\n    - to: [{ cidr: [10.0.0.1], except: [10.0.0.0/8] }]\n                                       ^',
    says: /leaves nothing/,
  },
  'a port too large': {
    text: 'version: 2\nnetwork:\n  allow:\n    - to: [{ port: [65536] }]\n                    ^',
    says: /must be at most 65535/,
  },
  'a range of ports backwards': {
    text: 'version: 2\nnetwork:\n  allow:\n    - to: [{ port: ["90-80"] }]\n                    ^',
    says: /not a range of ports/,
  },
  'a protocol misspelt': {
    text: 'version: 2\nnetwork:\n  allow:\n    - to: [{ protocol: [tpc] }]\n                        ^',
    says: /must be one of icmp, tcp, udp, icmpv6, sctp/,
  },
  'a port of a protocol without ports': {
    text: 'version: 2\nnetwork:\n  allow:\n    - to: [{ port: [80], protocol: [icmp] }]\n                   ^',
    says: /none of these protocols has ports/,
  },
  'rules beside flat lists': {
    text: 'version: 2\nnetwork:\n  allow: []\n  uid: { deny: [0] }\n       ^',
    says: /both rules \(allow\) and the flat layout \(uid\)/,
  },
  'rules without version': {
    text: 'network:\n  allow:\n    - to: [{ cidr: [10.0.0.1] }]\n      ^',
    says: /must be text, not a map/,
  },
  'files of the original': {
    text: 'files: {}\n^\nnetwork: { mode: block }',
    says: /"files" restricts access to files/,
  },
  'domains of the original': {
    text: 'network:\n  domain: { allow: [a.example] }\n  ^',
    says: /"domain" restricts destinations by domain name/,
  },
  'both spellings of cidr.allow': {
    text: 'network:\n  cidr: { allow: [10.0.0.1] }\n  allow: [10.0.0.2]\n         ^',
    says: /are the same list/,
  },
  'a glob in version 1': {
    text: 'network:\n  command: { allow: ["cu*"] }\n                     ^',
    says: /version 1 has no globs/,
  },
  'an allow list without a value in version 1': {
    text: 'network:\n  cidr:\n    allow:\n          ^\n    deny: []',
    says: /network\.cidr\.allow has no value/,
  },
  'a log level that is none': {
    text: 'network: { mode: block }\nlog:\n  level: loud\n         ^',
    says: /must be one of debug, info, warn, error/,
  },
  'a log to standard error': {
    text: 'version: 2\nnetwork: { allow: [] }\nlog: { output: stderr }\n               ^',
    says: /standard error/,
  },
};

for (const [name, { text, says }] of Object.entries(BAD)) {
  test(`${name} is refused where it stands`, () => {
    const lines = text.split('\n');
    const mark = lines.findIndex((line) => /^ *\^$/.test(line));
    const source = lines.toSpliced(mark, 1).join('\n');
    const { policy, problems } = parsePolicy(source, 'bad.yaml');
    assert.equal(policy, undefined);
    const errors = problems.filter(({ severity }) => severity === 'error');
    assert.equal(errors.length, 1, errors.map((error) => renderProblem(error, source)).join('\n'));
    assert.match(errors[0]!.message, says);
    assert.deepEqual(
      { line: errors[0]!.line, column: errors[0]!.column },
      { line: mark, column: lines[mark]!.length },
      renderProblem(errors[0]!, source),
    );
  });
}

test('text where a number belongs is refused in words, with what to write', () => {
  const cases: [string, string, string][] = [
    ['port', '"443"', 'write it without quotes: 443'],
    ['port', 'https', 'write the number; each port or range is an entry of its own'],
    ['port', '"443,80"', 'write the number; each port or range is an entry of its own'],
    ['port', '80 - 90', 'write it without spaces: "80-90"'],
    ['protocol', '"6"', 'write it without quotes: 6'],
    ['protocol', 'TCP', 'did you mean tcp?'],
    ['protocol', 'gre', 'write its IANA number'],
    ['uid', '"1000"', 'write it without quotes: 1000'],
    ['uid', 'root', 'write the number: `id -u NAME` prints that of a user; in a rule, user: takes names'],
    [
      'gid',
      'users',
      'write the number: `getent group NAME` prints that of a group; in a rule, group: takes names',
    ],
  ];
  for (const [key, value, help] of cases) {
    const rule = key.endsWith('id') ? `from: { ${key}: [${value}] }` : `to: [{ ${key}: [${value}] }]`;
    const { problems } = parsePolicy(`version: 2\nnetwork:\n  allow:\n    - ${rule}\n`, 'policy.yaml');
    assert.equal(problems.length, 1, rule);
    assert.doesNotMatch(problems[0]!.message, /pattern|Invalid/, rule);
    assert.equal(problems[0]!.help, help, rule);
  }
});

test('what cannot be the name of a user or group is refused, with what to write', () => {
  const long = 'a'.repeat(256);
  const cases: [string, string, RegExp][] = [
    ['user', '"1000"', /is a number, not a name.*write uid: \[1000\]/],
    ['group', '"007"', /is a number, not a name.*write gid: \[7\]/],
    ['user', '1000', /must be text, not the number 1000.*list of their own: uid: \[1000\]/],
    ['user', '""', /is an empty text/],
    ['user', '"*"', /takes no pattern.*write each name/],
    ['user', '"**"', /takes no pattern/],
    ['group', '"web-?"', /takes no pattern/],
    ['user', '"[ab]da"', /cannot be the name/],
    ['user', '" ada"', /cannot be the name/],
    ['user', '"ada "', /cannot be the name/],
    ['user', '"ada:x:0"', /cannot be the name/],
    ['user', '"--help"', /cannot be the name/],
    ['user', '"a\\nb"', /control characters/],
    ['user', long, /longer than 255 bytes/],
    ['user', `${'ä'.repeat(128)}`, /longer than 255 bytes/],
  ];
  for (const [key, value, says] of cases) {
    const text = `version: 2\nnetwork:\n  allow:\n    - from: { ${key}: [${value}] }\n`;
    const { policy, problems } = parsePolicy(text, 'policy.yaml');
    assert.equal(policy, undefined, text);
    assert.match(problems.map(({ help, message }) => `${message}; ${help}`).join('\n'), says, text);
  }
  for (const name of [
    'root',
    'www-data',
    'machine$',
    'domain users',
    'DOMAIN\\ada',
    'ada@corp',
    'zoë',
    '1ada',
  ]) {
    const text = `version: 2\nnetwork: { allow: [{ from: { user: [${JSON.stringify(name)}] } }] }`;
    assert.deepEqual(parsePolicy(text, 'policy.yaml').policy?.boxes[0]?.from, { user: [name] });
  }
});

test('patterns of files are refused where they could match what nobody meant', () => {
  const cases: [string, string, RegExp][] = [
    ['allow', 'exe: ["*"]', /is not an absolute path/],
    ['allow', 'exe: [usr/*/curl]', /is not an absolute path/],
    ['allow', 'exe: ["/opt/**/curl"]', /\*\* is not accepted/],
    ['allow', 'exe: ["/opt/../*/curl"]', /not in its shortest form/],
    ['allow', 'exe: ["/opt/*/"]', /not in its shortest form/],
    ['allow', 'exe: ["/opt/*/curl"], container: [web]', /this rule is for files of containers/],
    ['allow', 'script: ["/opt/*/a.py"], image: [web]', /this rule is for files of containers/],
    ['deny', 'script: ["/opt/*/a.py"]', /a deny by script takes no pattern/],
    ['allow', `exe: ["/opt/*/${'a'.repeat(4100)}"]`, /longer than 4095/],
  ];
  for (const [list, from, says] of cases) {
    const text = `version: 2\nnetwork: { allow: [], ${list}: [{ from: { ${from} } }] }`.replace(
      list === 'allow' ? 'allow: [], ' : '\0',
      '',
    );
    const { policy, problems } = parsePolicy(text, 'policy.yaml');
    assert.equal(policy, undefined, text);
    assert.match(problems.map(({ message }) => message).join('\n'), says, text);
  }
  for (const path of ['/opt/*/curl', '/opt/a?b*/c', '/opt/[ab]/ü *', '/*/x']) {
    const text = `version: 2\nnetwork: { allow: [{ from: { exe: [${JSON.stringify(path)}] } }] }`;
    assert.deepEqual(parsePolicy(text, 'policy.yaml').policy?.boxes[0]?.from, { exe: [path] });
  }
});

test('a rule that names users by number and by name is refused', () => {
  const text = 'version: 2\nnetwork: { allow: [{ from: { gid: [0], group: [root] } }] }';
  const { policy, problems } = parsePolicy(text, 'policy.yaml');
  assert.equal(policy, undefined);
  assert.match(problems[0]!.message, /gid and group say the same in two ways/);
});

test('a problem shows its line with a caret, and what to do', () => {
  const source = 'version: 2\nnetwork:\n  mode: blok\n  allow: []\n';
  const [problem] = parsePolicy(source, 'policy.yaml').problems;
  assert.equal(
    renderProblem(problem!, source),
    `policy.yaml:3:9: error: network.mode must be one of monitor, block, not "blok"
    mode: blok
          ^
  help: did you mean block?`,
  );
});

test('host bits are cleared with a warning that names both', () => {
  const { policy, problems } = parsePolicy('network: { allow: [10.0.1.1/24] }', 'policy.yaml');
  assert.deepEqual(policy?.boxes[0]?.to.prefixes, [{ family: 4, value: 0x0a000100n, length: 24 }]);
  assert.deepEqual(
    problems.map(({ severity, line, column, message }) => ({ severity, line, column, message })),
    [
      {
        severity: 'warning',
        line: 1,
        column: 20,
        message: '"10.0.1.1/24" has host bits set and is read as 10.0.1.0/24',
      },
    ],
  );
});

test('nothing a file says drives the terminal that shows the problem', () => {
  const source = 'version: 2\nnetwork: { "\\e[2Jmode\u202e": x }';
  const { problems } = parsePolicy(source, 'policy.yaml');
  assert.doesNotMatch(
    problems.map((problem) => renderProblem(problem, source).replaceAll('\n', ' ')).join(''),
    /[\p{Cc}\u202e]/u,
  );
});
