/** Somebody can be exempt from a policy for a time, whose end is the kernel's. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pythonTo } from './attempt.ts';
import { bouheki, Running } from './bouheki.ts';
import { asUser, type Ended, folder, startNetwork, stopNetwork, succeeded, USER } from './guest.ts';

const place = folder();
const db = join(place, 'record.duckdb');
const file = join(place, 'policy.yaml');
const next = join(place, 'next.yaml');
const LENGTH = 12;
const BY = `import socket; socket.create_connection(("10.0.1.2", 80), 20); print("reached")`;

function ask(...args: string[]): Ended {
  return bouheki(...args, '--db', db);
}

/** Whether root, and whether the user, reaches what the policy does not allow. */
const reached = (): [root: string, user: string] => [
  pythonTo('tcp', '10.0.1.2', 80),
  asUser(USER, 'python3', '-I', '-S', '-c', BY).status === 0 ? 'reached' : 'EPERM',
];

const DENY = '  deny: [{ name: never, to: [{ cidr: [10.0.1.3] }] }]\n';
const MODES = `  modes: [{ name: people, from: { uid: [${USER}] }, mode: monitor }]\n`;
let text: string;
let enforce: Running;

before(async () => {
  startNetwork();
  text = `version: 2\nnetwork:\n  mode: block\n${DENY}  allow: [{ to: [{ cidr: [10.0.1.1, 10.0.0.0/30] }] }]\n`;
  writeFileSync(file, text, { mode: 0o600 });
  writeFileSync(next, 'version: 2\nnetwork:\n  allow: [{ to: [{ cidr: [10.0.1.2, loopback] }] }]\n', {
    mode: 0o600,
  });
  enforce = await Running.start('enforce', file, '--db', db, '--breaker', '30/min', '--shadow', next);
});
after(stopNetwork);

test('a pause for one user exempts nobody else and no denial, is shown, and is over by itself', async () => {
  assert.deepEqual(reached(), ['EPERM', 'EPERM']);
  const pause = ['pause', '--uid', String(USER), '--why', 'an upgrade'];
  const { stdout } = succeeded(ask(...pause, '--for', `${LENGTH * 50}s`));
  assert.match(stdout, /^Paused for 10m: uid 1000 \(an upgrade\)\. The kernel ends it, /);
  assert.deepEqual(reached(), ['EPERM', 'reached']);
  const denied = asUser(USER, 'python3', '-I', '-S', '-c', BY.replace('1.2', '1.3'));
  assert.match(denied.stderr, /PermissionError/);
  assert.match(ask('status').stdout, /blocking by \w+ since \S+, paused for uid 1000 until \S+Z,/);
  for (const [refused, why] of [
    [ask('confirm'), /the policy in force is paused/],
    [ask('apply', file, '--no-preflight'), /the policy in force is paused/],
    [ask(...pause, '--for', '1h'), /the policy in force is paused/],
  ] as const) {
    assert.equal(refused.status, 2);
    assert.match(refused.stderr, why);
  }
  const said = enforce.stderr.length;
  enforce.signal('SIGHUP');
  await enforce.until(
    /^SIGHUP: the policy is paused; its file is not read again before that is over\.$/m,
    said,
  );
  const resumed = succeeded(ask('resume')).stdout;
  assert.match(resumed, /^The pause is over; the policy \w{12} of .*policy\.yaml is in force again\.$/m);
  assert.deepEqual(reached(), ['EPERM', 'EPERM']);
  assert.match(ask('resume').stderr, /nothing is paused/);
});

test('a pause for everybody blocks nothing, and the kernel ends it while nobody else can', async () => {
  const begun = performance.now();
  assert.match(succeeded(ask('pause', '--for', `${LENGTH}s`)).stdout, /^Paused for 12s: everybody\./);
  const pausedBy = (performance.now() - begun) / 1000;
  enforce.signal('SIGSTOP');
  try {
    assert.equal(pythonTo('tcp', '10.0.1.2', 80), 'reached');
    const until = begun + (LENGTH + pausedBy) * 1000;
    while (performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(pythonTo('tcp', '10.0.1.2', 80), 'EPERM');
  } finally {
    enforce.signal('SIGCONT');
  }
  await enforce.until(/^The pause is over; the policy \w{12} of .*policy\.yaml is in force again\.$/m);
  assert.deepEqual(reached(), ['EPERM', 'EPERM']);
});

test('the breaker opens a program of one user that is denied too often, to nobody else and not in silence', async () => {
  const hammer = `
import socket, time
for attempt in range(1, 600):
    try:
        socket.create_connection(("10.0.1.2", 80), 20)
    except PermissionError:
        time.sleep(0.05)
    else:
        print(attempt)
        break
`;
  const { status, stderr, stdout } = asUser(USER, 'python3', '-I', '-S', '-c', hammer);
  assert.equal(status, 0, stderr);
  assert.ok(Number(stdout) > 30, `open after ${stdout}`);
  await enforce.until(
    /^WARNING: the breaker has opened \/usr\/bin\/python3[\d.]*, uid 1000: .*`bouheki rearm`/m,
  );
  assert.deepEqual(reached(), ['EPERM', 'reached']);
  assert.match(ask('status').stdout, /opened by the breaker: \/usr\/bin\/python3[\d.]*, uid 1000,/);
  assert.match(
    succeeded(ask('rearm')).stdout,
    /^Rearmed: the policy \w{12} of .*policy\.yaml holds for every subject/,
  );
  assert.deepEqual(reached(), ['EPERM', 'EPERM']);
  assert.match(ask('rearm').stderr, /the breaker has opened nothing/);
});

interface ShadowCounts {
  judged: number;
  denies: number;
  allows: number;
  subjects: { subject: string }[];
}

/** What is counted of the candidate, once it is enough. */
async function shadowWhere(isEnough: (counts: ShadowCounts) => boolean): Promise<ShadowCounts> {
  for (;;) {
    const { recorder } = JSON.parse(succeeded(ask('status', '--json')).stdout) as {
      recorder: { enforcement: { shadow: ShadowCounts } };
    };
    const { shadow } = recorder.enforcement;
    if (isEnough(shadow)) return shadow;
  }
}

test('a candidate is counted beside the policy in force, and stops nothing', async () => {
  assert.match(enforce.stderr, /^Counted beside the policy in force: \w{12} of .*next\.yaml\.$/m);
  await enforce.until(
    /^Shadow: .*next\.yaml would allow what is denied: \/usr\/bin\/python3[\d.]*, uid 0.* to 10\.0\.1\.2:80\/tcp\.$/m,
  );
  assert.notEqual(pythonTo('tcp', '10.0.1.1', 80), 'EPERM');
  const { allows, subjects } = await shadowWhere(({ denies }) => denies > 0);
  assert.ok(allows > 30, `${allows} would be allowed`);
  assert.ok(subjects.some(({ subject }) => /^\/usr\/bin\/python3[\d.]*, uid 1000/.test(subject)));
  assert.match(
    ask('status').stdout,
    /^Shadow +.*next\.yaml \(\w{12}\) since \S+Z: it would deny \d+ of [\d,]+ connections/m,
  );
  const counted = succeeded(ask('apply', file, '--shadow')).stdout;
  assert.match(counted, /^Counted beside the policy in force: \w{12} of .*policy\.yaml\.$/m);
  assert.deepEqual(reached(), ['EPERM', 'EPERM']);
  const now = await shadowWhere(({ judged }) => judged >= 2);
  assert.deepEqual([now.denies, now.allows], [0, 0]);
  writeFileSync(next, 'version: 2\n', { mode: 0o600 });
  assert.match(ask('apply', next, '--shadow').stderr, /next\.yaml/);
  assert.deepEqual(reached(), ['EPERM', 'EPERM']);
});

test('a rule ends by itself while the daemon stands still, and status says when', async () => {
  // On a slow machine what comes before it takes its time.
  const end = Math.ceil(Date.now() / 1000) + LENGTH * 5;
  const until = new Date(end * 1000).toISOString().replace('.000', '');
  const rule = `{ name: visit, until: "${until}", to: [{ cidr: [10.0.1.2] }] }`;
  const said = enforce.stderr.length;
  writeFileSync(file, text.replace('allow: [', `allow: [${rule}, `), { mode: 0o600 });
  enforce.signal('SIGHUP');
  await enforce.until(new RegExp(`^Rule "visit" ends by itself at ${until}\\.$`, 'm'), said);
  assert.deepEqual(reached(), ['reached', 'reached']);
  assert.match(ask('status').stdout, new RegExp(`^Rules end +visit at ${until}$`, 'm'));
  enforce.signal('SIGSTOP');
  try {
    while (Date.now() < end * 1000) await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual(reached(), ['EPERM', 'EPERM']);
  } finally {
    enforce.signal('SIGCONT');
  }
  await enforce.until(/^Warning: rule "visit" has ended, at \S+Z: it allows nothing any more\.$/m);
  assert.match(ask('status').stdout, new RegExp(`^Rules ended +visit at ${until}$`, 'm'));
  assert.match(bouheki('explain', file, '--to', '10.0.1.2:80/tcp').stdout, /"visit" .* but it has ended$/m);
});

test('after it the file is read again, and may monitor one user and block the others', async () => {
  const said = enforce.stderr.length;
  enforce.signal('SIGHUP');
  await enforce.until(/^Blocking by .*policy\.yaml: /m, said);
  const wrong = ask('pause', '--for', '10s', '--exe', 'relative/path');
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /that cannot be exempt: /);
  assert.deepEqual(reached(), ['EPERM', 'EPERM']);
  assert.equal(ask('pause', '--for', '2d').status, 2);
  const before = enforce.stderr.length;
  writeFileSync(file, text.replace('  allow:', `${MODES}  allow:`), { mode: 0o600 });
  enforce.signal('SIGHUP');
  await enforce.until(/^The mode is not the same for all: block mode, but monitor for people\.$/m, before);
  assert.deepEqual(reached(), ['EPERM', 'reached']);
  assert.match(ask('status').stdout, /blocking by \w+ since \S+, block mode, but monitor for people,/);
  const { Rule } = await enforce.logged({ Action: 'MONITOR', UID: USER });
  assert.equal(Rule, undefined);
  assert.equal(enforce.log.at(-2)?.Action, 'BLOCKED');
  succeeded(await enforce.end('SIGINT'));
  assert.match(ask('pause', '--for', '10s').stderr, /nobody enforces|no .*enforce/i);
});
