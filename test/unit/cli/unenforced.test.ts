import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { About } from '../../../bpf/pin/about.ts';
import { describeUnenforced } from '../../../cli/report/recorder-messages.ts';
import { statusText } from '../../../cli/report/status-text.ts';
import type { RecordingSummary } from '../../../profiler/read/read.ts';
import { openRecorder, type RecordingInfo } from '../../../profiler/store/store.ts';
import { databaseFor, startRecording } from '../profiler/fixture.ts';

const NOW = { host: 'web1', now: Date.UTC(2026, 10, 21) * 1000 };
const KILLED = { recording: 3, host: 'web1', endedAt: NOW.now - 36e6, inOrder: false };
const INTERRUPTED = [{ id: 3, startedAt: 0, endedAt: KILLED.endedAt }];

test('whoever enforces after a run that was killed is told for how long nothing was enforced', () => {
  assert.deepEqual(
    describeUnenforced({ interrupted: INTERRUPTED, lastEnforcement: KILLED }, 'enforce', NOW),
    ['Nothing was enforced for 36s: enforcement was cut off at 2026-11-20T23:59:24Z.'],
  );
  // Something else has been recorded in between.
  assert.equal(describeUnenforced({ interrupted: [], lastEnforcement: KILLED }, 'enforce', NOW).length, 1);
});

test('where the kernel has enforced alone meanwhile, that is said instead', () => {
  const kept = { hash: '0123456789ab', file: '/etc/policy.yaml', mode: 'block' as const };
  const past = { interrupted: INTERRUPTED, lastEnforcement: KILLED };
  assert.deepEqual(describeUnenforced(past, 'enforce', { ...NOW, kept }), [
    'For 36s the kernel alone enforced the policy 0123456789ab of /etc/policy.yaml, and nothing was recorded: the process was cut off at 2026-11-20T23:59:24Z.',
  ]);
});

test('whoever learns under a policy that the kernel alone enforces is told that its denials are not recorded', () => {
  const kept = { hash: '0123456789ab', file: '/etc/policy.yaml', mode: 'block' as const };
  assert.deepEqual(
    describeUnenforced({ interrupted: INTERRUPTED, lastEnforcement: KILLED }, 'learn', { ...NOW, kept }),
    [
      'The kernel alone enforces the policy 0123456789ab of /etc/policy.yaml: what it denies is not recorded. `bouheki detach` ends that.',
    ],
  );
});

test('an end in order is told too, since the host was open after it', () => {
  const past = { interrupted: [], lastEnforcement: { ...KILLED, inOrder: true } };
  assert.match(
    describeUnenforced(past, 'enforce', NOW)[0]!,
    /^Nothing was enforced for 36s: enforcement had ended in order at /,
  );
  assert.deepEqual(describeUnenforced(past, 'learn', NOW), []);
});

test('learn after a killed enforcement says that nothing is enforced, once', () => {
  const past = { interrupted: INTERRUPTED, lastEnforcement: KILLED };
  assert.deepEqual(describeUnenforced(past, 'learn', NOW), [
    'Nothing has been enforced for 36s either, since recording 3; learn enforces nothing.',
  ]);
  assert.deepEqual(describeUnenforced({ ...past, interrupted: [] }, 'learn', NOW), []);
});

test('what happened on another host is not told of this one', () => {
  assert.deepEqual(
    describeUnenforced({ interrupted: [], lastEnforcement: { ...KILLED, host: 'web2' } }, 'enforce', NOW),
    [],
  );
});

test('the record knows the last run that blocked, and whether it ended in order', async (t) => {
  const path = databaseFor(t);
  const info = { host: 'web1', kernel: '6.1', backend: 'lsm', command: 'enforce', target: 'host' } as const;
  const run = async (change: Partial<RecordingInfo>, end: boolean): Promise<void> => {
    const store = await openRecorder(path);
    const recording = await startRecording(store, { ...info, ...change });
    if (end) await recording.end('complete');
    store.close();
  };
  const past = async () => {
    const store = await openRecorder(path);
    store.close();
    return store.past.lastEnforcement;
  };
  await run({ command: 'learn' }, true);
  await run({ mode: 'monitor' }, true);
  assert.equal(await past(), undefined, 'nothing was blocked');
  await run({ mode: 'block' }, true);
  assert.deepEqual(
    { ...(await past()), endedAt: 0 },
    { recording: 3, host: 'web1', endedAt: 0, inOrder: true },
  );
  await run({ mode: 'block' }, false);
  assert.deepEqual(
    { ...(await past()), endedAt: 0 },
    { recording: 4, host: 'web1', endedAt: 0, inOrder: false },
  );
});

function shown(recordings: RecordingSummary[], kept: About[] = []): string {
  return statusText(
    {
      kept,
      database: { path: '/record', bytes: 0, log: 0 },
      extent: { events: 0, hourly: 0, subjects: 0, named: 0 },
      recordings,
      gaps: [],
      losses: [],
      readiness: { discovery: [], subjects: [] },
    },
    0,
    false,
  );
}

test('status shows what the kernel alone enforces, and what is left of it after the time for its confirmation', () => {
  const policy = { hash: 'aaaaaaaaaaaa', file: '/etc/a.yaml', mode: 'block' as const };
  const former = { hash: 'bbbbbbbbbbbb', file: '/etc/b.yaml', mode: 'block' as const };
  const about = { version: '1', scope: 'host', backend: 'lsm', db: '/record', policy, since: 0 };
  const end =
    'in force since 1970-01-01T00:00:00Z; nothing is recorded of it. `bouheki enforce` takes over, `bouheki detach` ends it';
  const line = (more: Partial<About>): string | undefined =>
    /^Kept +(.*)$/m.exec(shown([], [{ ...about, ...more }]))?.[1];
  assert.doesNotMatch(shown([]), /Kept/);
  assert.equal(line({}), `the kernel alone blocks by aaaaaaaaaaaa of /etc/a.yaml, ${end}`);
  const later = String(1n << 62n);
  assert.equal(line({ confirmBy: later, former }), line({}));
  assert.equal(
    line({ confirmBy: '1', former }),
    `the kernel alone blocks by bbbbbbbbbbbb of /etc/b.yaml, ${end}`,
  );
  assert.equal(
    line({ confirmBy: '1' }),
    `nothing is blocked any more by aaaaaaaaaaaa of /etc/a.yaml, ${end}`,
  );
  assert.match(line({ scope: '/sys/fs/cgroup/a' })!, /, for \/sys\/fs\/cgroup\/a; /);
});

test('status shows for how long nothing was enforced after a run that was cut short', () => {
  const one: RecordingSummary = {
    id: 1,
    host: 'web1',
    kernel: '6.1',
    backend: 'lsm',
    command: 'enforce',
    mode: 'block',
    target: 'host',
    startedAt: 0,
    endedAt: 10e6,
    state: 'interrupted',
    events: 0,
    unnamed: 0,
    gap: 5e6,
  };
  const learnt: RecordingSummary = {
    ...one,
    id: 2,
    command: 'learn',
    startedAt: 15e6,
    endedAt: 20e6,
    state: 'complete',
  };
  const again: RecordingSummary = { ...one, id: 3, startedAt: 46e6, state: 'running' };
  assert.match(shown([one, learnt, again]), /^1 .*interrupted, then nothing enforced for 36s/m);
  assert.match(shown([one, learnt]), /^1 .*interrupted, then nothing enforced /m);
});
