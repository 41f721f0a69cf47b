import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainFlow } from '../../../../policy/analysis/explain.ts';
import { lintPolicy } from '../../../../policy/analysis/lint.ts';
import {
  type PolicyDocument,
  type RuleDocument,
  SET_KINDS,
  type SetDocument,
  type SetKind,
} from '../../../../policy/file/document.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import { printPolicy } from '../../../../policy/file/print.ts';
import { compileEvaluator } from '../../../../policy/meaning/evaluator.ts';
import { evaluate } from '../../../../policy/meaning/evaluate.ts';
import type { Flow, Policy } from '../../../../policy/meaning/policy.ts';
import { parseAddress } from '../../../../policy/value/address.ts';
import fc from '../../../arbitrary/fast-check.ts';
import { flow, policy } from '../arbitrary.ts';
import { documentOf } from '../../../arbitrary/document-of.ts';

const SOURCE = `version: 2
sets:
  s3: { cidr: [192.0.2.0/24, "2001:db8::/32"] }
  web: { port: [80, 443, "8000-8010"] }
  cdn: { name: [a.example, "*.cdn.example"] }
network:
  allow:
    - name: files
      from: { exe: [/usr/bin/curl] }
      to:
        - { cidr: ["@s3", 10.0.0.1], port: ["@web", 22], protocol: [tcp] }
        - { name: ["@cdn"], port: ["@web"] }
    - name: rest
      from: { exe: [/usr/bin/wget] }
      to:
        - { cidr: ["@s3"], except: [192.0.2.7], port: [21] }
`;
const FLAT = SOURCE.replace(/sets:\n(?: {2}.*\n)+(?=network)/, '')
  .replaceAll('"@s3"', '192.0.2.0/24, "2001:db8::/32"')
  .replaceAll('"@web"', '80, 443, "8000-8010"')
  .replaceAll('"@cdn"', 'a.example, "*.cdn.example"');

function read(text: string): Policy {
  const { policy: parsed, problems } = parsePolicy(text, 'policy.yaml');
  assert.ok(parsed, problems.map(({ message }) => message).join('\n'));
  return parsed;
}

/** What a policy means: without what is kept for explanations alone. */
const meaning = ({ boxes, ...rest }: Policy) => ({
  ...rest,
  boxes: boxes.map(({ action, except, from, name, to }) => [action, name, from, to, except]),
});

test('a list that names a set has what the set holds, beside its own values', () => {
  const { problems } = parsePolicy(SOURCE, 'policy.yaml');
  assert.deepEqual(problems, []);
  assert.deepEqual(meaning(read(SOURCE)), meaning(read(FLAT)));
  assert.ok(!FLAT.includes('@'));
});

/** Moves lists of a document, and parts of them, into sets. `choices` says which. */
function withSets(document: PolicyDocument, choices: readonly number[]): PolicyDocument {
  const sets = new Map<string, SetDocument>();
  const names = new Map<string, string>();
  let turn = 0;
  const choose = () => choices[turn++ % choices.length]!;
  const share = (kind: SetKind, list: readonly unknown[]): (string | number)[] => {
    const values = list as (string | number)[];
    const count = Math.min(values.length, choose());
    if (count === 0) return [...values];
    const [from, to] = choose() % 2 === 0 ? [0, count] : [values.length - count, values.length];
    const held = values.slice(from, to);
    const key = `${kind} ${JSON.stringify(held)}`;
    const name = names.get(key) ?? `${kind}.${names.size}`;
    names.set(key, name);
    sets.set(name, { [kind]: held });
    return [...values.slice(0, from), `@${name}`, ...values.slice(to)];
  };
  const change = (rule: RuleDocument): RuleDocument => ({
    ...rule,
    ...(rule.to && {
      to: rule.to.map((entry) => ({
        ...entry,
        ...Object.fromEntries(
          SET_KINDS.flatMap((kind) => (entry[kind] ? [[kind, share(kind, entry[kind])]] : [])),
        ),
      })),
    }),
  });
  const deny = document.deny?.map(change);
  const allow = document.allow?.map(change);
  return { ...document, ...(deny && { deny }), ...(allow && { allow }), sets };
}

test('a policy with sets and the same without have the same meaning', () => {
  let referring = 0;
  let verdicts = 0;
  fc.assert(
    fc.property(
      policy,
      fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 20 }),
      fc.array(flow, { minLength: 1, maxLength: 10 }),
      (original, choices, flows) => {
        const document = withSets(documentOf(original), choices);
        const text = printPolicy(document);
        const { policy: parsed, problems } = parsePolicy(text, 'sets.yaml');
        assert.ok(parsed, `${problems.map(({ message }) => message).join('\n')}\n${text}`);
        assert.deepEqual(meaning(parsed), meaning(original), text);
        if (parsed.boxes.some(({ sets }) => sets)) referring++;
        const judge = compileEvaluator(parsed);
        for (const each of flows) {
          assert.deepEqual(evaluate(parsed, each), evaluate(original, each), text);
          assert.deepEqual(judge(each), evaluate(original, each), text);
          verdicts++;
        }
      },
    ),
    { numRuns: 500 },
  );
  assert.ok(referring > 100 && verdicts > 500, `${referring} with sets, ${verdicts} verdicts`);
});

/** `^` under a line is where the problem must be found. */
const BAD: Record<string, { text: string; says: RegExp }> = {
  'an unknown set': {
    text: 'version: 2\nsets:\n  web: { port: [80] }\nnetwork:\n  allow:\n    - to: [{ cidr: ["@s3"], port: ["@web"] }]\n                    ^',
    says: /there is no set "s3"/,
  },
  'a set misspelt': {
    text: 'version: 2\nsets:\n  storage: { cidr: [10.0.0.1] }\n  web: { port: [80] }\nnetwork:\n  allow:\n    - to: [{ cidr: ["@storage"], port: ["@web"] }, { cidr: ["@storag"] }]\n                                                            ^',
    says: /there is no set "storag".*did you mean "@storage"\?/,
  },
  'a set of another kind': {
    text: 'version: 2\nsets:\n  web: { port: [80] }\nnetwork:\n  allow:\n    - to: [{ cidr: [10.0.0.1, "@web"] }]\n                              ^',
    says: /@web is a set of kind port, and this is a list of kind cidr/,
  },
  'an empty list in a set': {
    text: 'version: 2\nsets:\n  web: { port: [] }\n               ^\nnetwork:\n  allow: []',
    says: /sets\.web\.port is empty.*remove the set/,
  },
  'a set without a list': {
    text: 'version: 2\nsets:\n  web: {}\n  ^\nnetwork:\n  allow: []',
    says: /the set "web" is empty/,
  },
  'a set of two kinds': {
    text: 'version: 2\nsets:\n  web: { port: [80], name: [a.example] }\n  ^\nnetwork:\n  allow: []',
    says: /has port and name, and a set is of one kind/,
  },
  'a set that is a list': {
    text: 'version: 2\nsets:\n  web: [80]\n       ^\nnetwork:\n  allow: []',
    says: /must be a map, not a list.*say what it is a list of/,
  },
  'a set that names a set': {
    text: 'version: 2\nsets:\n  a: { cidr: [10.0.0.1] }\n  b: { cidr: [10.0.0.2, "@a"] }\n                        ^\nnetwork:\n  allow: [{ to: [{ cidr: ["@a"] }] }]',
    says: /the set "b" names another set, @a.*must stand in one place/,
  },
  'a set of ports that names a set': {
    text: 'version: 2\nsets:\n  a: { port: [1] }\n  b: { port: ["@a"] }\n              ^\nnetwork:\n  allow: [{ to: [{ port: ["@a"] }] }]',
    says: /the set "b" names another set, @a/,
  },
  'a name that is none': {
    text: 'version: 2\nsets:\n  "a b": { cidr: [10.0.0.1] }\n  ^\nnetwork:\n  allow: []',
    says: /"a b" cannot be the name of a set.*letters/,
  },
  'a bad address in a set': {
    text: 'version: 2\nsets:\n  a: { cidr: [10.0.0] }\n              ^\nnetwork:\n  allow: [{ to: [{ cidr: ["@a"] }, { cidr: ["@a"] }] }]',
    says: /"10\.0\.0"/,
  },
  'a set in version 1': {
    text: 'network:\n  cidr: { allow: ["@s3"] }\n                  ^',
    says: /sets belong to rules of version: 2/,
  },
  'a set without quotes': {
    text: 'version: 2\nnetwork:\n  allow:\n    - to: [{ cidr: [@s3] }]\n                    ^',
    says: /a set is named in quotes: "@NAME"/,
  },
};

for (const [what, { says, text }] of Object.entries(BAD)) {
  test(`${what} is refused where it stands`, () => {
    const lines = text.split('\n');
    const at = lines.findIndex((line) => /^ *\^$/.test(line));
    const source = lines.filter((_, index) => index !== at).join('\n');
    const { policy: parsed, problems } = parsePolicy(source, 'policy.yaml');
    assert.equal(parsed, undefined);
    const errors = problems.filter(({ severity }) => severity === 'error');
    assert.equal(errors.length, 1, errors.map(({ message }) => message).join('\n'));
    const [{ column, help, line, message }] = errors as [(typeof errors)[0]];
    assert.match(`${message} ${help}`, says);
    assert.deepEqual([line, column], [at, lines[at]!.indexOf('^') + 1]);
  });
}

test('a set that no rule names is a warning at its name', () => {
  const text = 'version: 2\nsets:\n  web: { port: [80] }\nnetwork:\n  allow: []\n';
  const { policy: parsed, problems } = parsePolicy(text, 'policy.yaml');
  assert.ok(parsed);
  assert.deepEqual(
    problems.map(({ column, line, message, severity }) => [severity, line, column, message]),
    [['warning', 3, 3, 'no rule names the set "web"']],
  );
});

test('the flat layout names sets too, and except does', () => {
  const sets = 'sets: { a: { cidr: [10.0.0.0/8] }, b: { cidr: [10.1.0.0/16] } }';
  const flat = read(`version: 2\n${sets}\nnetwork: { cidr: { allow: ["@a"], deny: ["@b"] } }`);
  assert.deepEqual(
    flat.boxes.map(({ action, to }) => [action, to.prefixes!.map(({ length }) => length)]),
    [
      ['deny', [16]],
      ['allow', [8]],
    ],
  );
  const carved = read(
    `version: 2\n${sets}\nnetwork: { allow: [{ to: [{ cidr: ["@a"], except: ["@b"] }] }] }`,
  );
  assert.deepEqual(
    carved.boxes[0]!.to,
    read('version: 2\nnetwork: { allow: [{ to: [{ cidr: [10.0.0.0/8], except: [10.1.0.0/16] }] }] }')
      .boxes[0]!.to,
  );
});

function to(address: string, port: number): Flow {
  return {
    command: '',
    exe: '/usr/bin/curl',
    uid: 0,
    euid: 0,
    gid: 0,
    egid: 0,
    inContainer: false,
    address: parseAddress(address)!,
    port,
    protocol: 6,
  };
}

test('explanations and remarks say which set it is', () => {
  const parsed = read(SOURCE);
  assert.equal(
    explainFlow(parsed, to('192.0.2.1', 80)).reason,
    'allow rule "files" matches by its @s3, @web',
  );
  assert.equal(explainFlow(parsed, to('10.0.0.1', 22)).reason, 'allow rule "files" matches');
  assert.equal(
    explainFlow(parsed, to('10.0.0.2', 443)).fix,
    'add 10.0.0.2/32 to cidr of rule "files", or to the set @s3, which 2 rules name',
  );
  const wide = read(
    'version: 2\nsets: { all: { cidr: [0.0.0.0/1, 224.0.0.0] } }\nnetwork: { allow: [{ name: x, from: { exe: [/a] }, to: [{ cidr: ["@all"] }] }] }',
  );
  const remarks = lintPolicy(wide).map(({ message }) => message);
  assert.ok(remarks.some((each) => each.startsWith('allow rule "x" allows 0.0.0.0/1 (@all), wider than')));
  assert.ok(remarks.some((each) => each.includes('224.0.0.0 (@all), which looks like that of a network')));
});
