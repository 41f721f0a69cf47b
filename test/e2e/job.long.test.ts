/** ci/job, by itself and as the step of the action: a job is learnt, then held to that, and what is denied is reported. */
import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse } from 'yaml';
import { curl } from './attempt.ts';
import { BOUHEKI } from './bouheki.ts';
import {
  type Ended,
  folder,
  programsLeft,
  ROOT,
  run,
  runWithin,
  startNetwork,
  stopNetwork,
  USER,
} from './guest.ts';

/** Milliseconds: a run and three reports. */
const PATIENCE = 500_000;

const place = folder();
const policy = join(place, 'egress.yaml');
const reports = join(place, 'reports');
const summary = join(place, 'summary.md');
/** As an installation has it. */
const program = join(place, 'bouheki');

const fetch = (address: string): string => `${curl(`http://${address}/`).join(' ')} >/dev/null`;

function job(environment: Record<string, string>, ...args: string[]): Ended {
  const sudo = { SUDO_UID: String(USER), SUDO_USER: 'somebody' };
  const set = Object.entries({ BOUHEKI: program, ...sudo, ...environment });
  return runWithin(
    PATIENCE,
    'env',
    ...set.map(([name, value]) => `${name}=${value}`),
    join(ROOT, 'ci/job'),
    ...args,
  );
}

before(() => {
  startNetwork();
  chmodSync(place, 0o755);
  writeFileSync(program, `#!/bin/sh\nexec ${BOUHEKI.join(' ')} "$@"\n`, { mode: 0o755 });
  if (run('getent', 'passwd', String(USER)).status !== 0)
    appendFileSync('/etc/passwd', `ada:x:${USER}:${USER}::/:/bin/sh\n`);
});
after(stopNetwork);

test('it says how it is called, and what it lacks', () => {
  const usage = job({}, policy, 'make');
  assert.equal(usage.status, 125);
  assert.match(usage.stderr, /^usage: ci\/job POLICY -- COMMAND/);
  const missing = job({ BOUHEKI: '/nowhere/bouheki' }, policy, '--', 'true');
  assert.equal(missing.status, 125);
  assert.match(missing.stderr, /there is no \/nowhere\/bouheki/);
});

test('the first time it learns, and ends as the command does', () => {
  const { status, stderr } = job(
    { BOUHEKI_SUMMARY: summary },
    policy,
    '--',
    'sh',
    '-c',
    `${fetch('10.0.1.1')}; exit 3`,
  );
  assert.equal(status, 3, stderr);
  assert.match(stderr, /egress\.yaml was learnt\. Review it and commit it/);
  assert.match(readFileSync(policy, 'utf8'), /10\.0\.1\.1/);
  assert.match(readFileSync(summary, 'utf8'), /10\.0\.1\.1:80\/tcp/);
});

test('from then on what was learnt goes on, and nothing is reported', () => {
  const { status, stderr, stdout } = job(
    { BOUHEKI_REPORTS: reports, GITHUB_ACTIONS: 'true' },
    policy,
    '--',
    'sh',
    '-c',
    fetch('10.0.1.1'),
  );
  assert.equal(status, 0, stderr);
  assert.doesNotMatch(stdout, /^::(?:error|warning)/m);
  assert.doesNotMatch(readFileSync(join(reports, 'drift.md'), 'utf8'), /10\.0\.1\.2/);
});

test('what was not is stopped, fails the job, and is named in annotations and reports', () => {
  const script = `${fetch('10.0.1.1')}; ${fetch('10.0.1.2')} 2>/dev/null; true`;
  const { status, stderr, stdout } = job(
    { BOUHEKI_REPORTS: reports, GITHUB_ACTIONS: 'true' },
    policy,
    '--',
    'sh',
    '-c',
    script,
  );
  assert.equal(status, 1, stderr);
  assert.match(stderr, /^denied +\/usr\/bin\/curl +10\.0\.1\.2:80\/tcp +1$/m);
  assert.match(stdout, /^::\w+ .*10\.0\.1\.2/m);
  for (const file of ['drift.md', 'drift.xml', 'drift.sarif'])
    assert.match(readFileSync(join(reports, file), 'utf8'), /10\.0\.1\.2/, file);
  assert.deepEqual(programsLeft(), []);
});

test('a policy that is not valid is trouble, and the command is not run', () => {
  const bad = join(place, 'bad.yaml');
  writeFileSync(bad, 'version: 2\nnetwork: { mode: block, allow: 7 }\n');
  const ran = join(place, 'ran');
  assert.equal(job({}, bad, '--', 'touch', ran).status, 125);
  assert.equal(existsSync(ran), false);
});

interface Action {
  inputs: Record<string, { default?: string }>;
  runs: { steps: { id?: string; run?: string; env?: Record<string, string> }[] };
}

test('the step of the action does the same with what its inputs say', () => {
  const action = parse(readFileSync(join(ROOT, 'ci/github/action.yml'), 'utf8')) as Action;
  const step = action.runs.steps.find(({ id }) => id === 'run')!;
  const temporary = join(place, 'temporary');
  mkdirSync(temporary, { recursive: true });
  rmSync(policy, { force: true });
  const inputs: Record<string, string> = {
    'inputs.policy': policy,
    'inputs.run': `${fetch('10.0.1.1')}\n: 'a line with $(quotes) and "more"'`,
    'runner.temp': temporary,
  };
  const given = Object.entries(step.env!).map(
    ([name, value]) =>
      `${name}=${value.replaceAll(/\$\{\{ ([\w.]+) \}\}/g, (_, key: string) => inputs[key]!)}`,
  );
  const output = join(place, 'output');
  const runner = [
    `GITHUB_OUTPUT=${output}`,
    `GITHUB_STEP_SUMMARY=${summary}`,
    `GITHUB_ACTION_PATH=${join(ROOT, 'ci/github')}`,
  ];
  const command = [
    'env',
    `BOUHEKI=${program}`,
    `SUDO_UID=${USER}`,
    'SUDO_USER=somebody',
    'GITHUB_ACTIONS=true',
    ...given,
    ...runner,
  ];
  const first = runWithin(PATIENCE, ...command, 'bash', '-eo', 'pipefail', '-c', step.run!);
  assert.equal(first.status, 0, first.stderr);
  assert.match(readFileSync(policy, 'utf8'), /10\.0\.1\.1/);
  const second = runWithin(PATIENCE, ...command, 'bash', '-eo', 'pipefail', '-c', step.run!);
  assert.equal(second.status, 0, second.stderr);
  assert.equal(readFileSync(output, 'utf8'), 'learnt=true\nlearnt=false\n');
});
