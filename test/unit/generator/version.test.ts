import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../arbitrary/fast-check.ts';
import { generatePolicy } from '../../../generator/generate.ts';
import { flowOf } from '../../../generator/subject/flow.ts';
import { changeSubjects } from '../../../generator/subject/each-subject.ts';
import { joinVersions } from '../../../generator/subject/version.ts';
import { printPolicy } from '../../../policy/file/print.ts';
import { evaluate } from '../../../policy/meaning/evaluate.ts';
import type { Subject } from '../../../profiler/read/observation.ts';
import type { RecordedObservation } from '../../../profiler/read/read.ts';
import { input, observation, observed, OPTIONS, policyOf, unlessNoData } from './fixture.ts';

const AGENT = ['2.7.41_2020-09-01', '2.7.41_2020-10-12', '2.8.1_2020-11-30'].map(
  (version) => `/opt/agent_${version}/agent`,
);

function seen(...paths: string[]): RecordedObservation[] {
  return paths.map((exe, index) =>
    observed({ subject: { exe, uid: 0 }, address: BigInt(0x0a000001 + index) }),
  );
}

function written(observations: readonly RecordedObservation[], accepted = true): string {
  return printPolicy(
    generatePolicy(input(observations), { ...OPTIONS, acceptsPattern: () => accepted }).document,
  );
}

/** The patterns that stand for these paths, by path. */
function patternsFor(paths: readonly string[]): (string | undefined)[] {
  const observations = seen(...paths);
  return join(observations).map(({ subject }) => subject.exe);
}

function joinAll(subjects: Iterable<Subject>): (subject: Subject) => Subject {
  return joinVersions(subjects, () => true);
}

function join(observations: readonly RecordedObservation[]): RecordedObservation[] {
  return changeSubjects({ observations, activity: [] }, joinAll).observations;
}

test('a program that was seen under several versions gets one rule, marked for review', () => {
  const text = written(seen(...AGENT));
  assert.match(text, /exe: \["\/opt\/agent_\*\/agent"\]/);
  assert.match(text, /# review: .*pattern for 3 paths that were seen, \/opt\/agent_\*\/agent/);
  assert.doesNotMatch(text, /2\.7\.41/);
  const policy = policyOf(text);
  const [next] = seen('/opt/agent_2.9/agent');
  const [other] = seen('/opt/agent_2.9/shell');
  assert.equal(evaluate(policy, flowOf(next!)).action, 'allow');
  assert.equal(evaluate(policy, flowOf(other!)).action, 'deny');
});

test('what is the version in a path is found, and nothing that tells programs apart', () => {
  const cases: [string, string[], string[]][] = [
    ['/snap/aws-cli/*/bin/aws', ['/snap/aws-cli/344/bin/aws', '/snap/aws-cli/345/bin/aws'], []],
    [
      '/usr/lib/jvm/java-*-openjdk-amd64/bin/java',
      ['/usr/lib/jvm/java-17-openjdk-amd64/bin/java', '/usr/lib/jvm/java-21-openjdk-amd64/bin/java'],
      ['/usr/lib/jvm/java-21-zulu/bin/java'],
    ],
    [
      '/nix/store/*-curl-*/bin/curl',
      [
        `/nix/store/${'a'.repeat(32)}-curl-8.1.2/bin/curl`,
        `/nix/store/${'b'.repeat(32)}-curl-8.2.0/bin/curl`,
      ],
      [`/nix/store/${'c'.repeat(32)}-wget-1.0/bin/curl`],
    ],
    [
      '/opt/node/v*/bin/node',
      ['/opt/node/v18.1.0/bin/node', '/opt/node/v20.2.0/bin/node'],
      ['/opt/node/x/bin/node'],
    ],
  ];
  for (const [pattern, versions, others] of cases) {
    assert.deepEqual(patternsFor([...versions, ...others]), [...versions.map(() => pattern), ...others]);
  }
  const apart = [
    ['/usr/bin/python3.11', '/usr/bin/python3.12'],
    ['/home/ada/app/1.0/run', '/home/ada/app/2.0/run'],
    ['/tmp/app/1.0/run', '/tmp/app/2.0/run'],
    ['/opt/user1/run', '/opt/user2/run'],
    ['/opt/app/1.0/run', '/opt/app/2.0/other'],
    ['/opt/1.0/lib/1.0/run', '/opt/2.0/lib/2.0/run'],
    ['/opt/app/1.0/run'],
  ];
  for (const paths of apart) assert.deepEqual(patternsFor(paths), paths);
});

test('a pattern that could not be enforced, or would be of a container, is not proposed', () => {
  assert.match(written(seen(...AGENT), false), /agent_2\.8\.1_2020-11-30\/agent/);
  const inside = AGENT.map((exe) =>
    observed({ subject: { exe, uid: 0, inContainer: true, container: 'web', image: 'web:1' } }),
  );
  assert.deepEqual(join(inside), inside);
});

test('a policy with patterns allows all that was recorded', () => {
  const versioned = fc.tuple(observation, fc.constantFrom(...AGENT, '/usr/bin/curl')).map(([each, exe]) => {
    if (!each.subject.inContainer) each.subject.exe = exe;
    return each;
  });
  fc.assert(
    fc.property(fc.array(versioned, { minLength: 1, maxLength: 12 }), (list) => {
      const generated = unlessNoData(() =>
        generatePolicy(input(list), { ...OPTIONS, acceptsPattern: () => true }),
      );
      if (!generated) return;
      const policy = policyOf(printPolicy(generated.document));
      const left = new Set(
        generated.omissions.flatMap(({ observations }) =>
          observations.map((each) => `${each.address} ${each.port} ${each.protocol} ${each.subject.uid}`),
        ),
      );
      for (const each of list) {
        const { action } = evaluate(policy, flowOf(each));
        if (action === 'deny')
          assert.ok(left.has(`${each.address} ${each.port} ${each.protocol} ${each.subject.uid}`));
      }
    }),
    { numRuns: 100 },
  );
});
