import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { join } from 'node:path';
import test from 'node:test';
import { MetricsServer, parseEndpoint } from '../../../daemon/metrics-server.ts';
import { discoveryText } from '../../../cli/report/discovery-text.ts';
import { UNSEEN_BY_CGROUP } from '../../../bpf/probe.ts';
import { statusText } from '../../../cli/report/status-text.ts';
import { type FleetStatus, liveStatus, type LiveStatus } from '../../../profiler/serve/live-status.ts';
import { metricsText } from '../../../profiler/serve/metrics.ts';
import { noLosses } from '../../../profiler/record/recording.ts';
import { formatSize, parseSize } from '../../../format/size.ts';
import { databaseFor, HOUR, START } from '../profiler/fixture.ts';
import { directoryFor, record, runCommand } from './fixture.ts';

test('status tells recordings, sizes, losses and subjects of a database that nobody records into', async (t) => {
  const db = await record(directoryFor(t), [{}, {}, { uid: 1 }], {}, (recording) =>
    recording.recordLoss('ring', 7),
  );
  const { status, stdout, stderr } = runCommand('status', '--db', db);
  assert.equal(status, 0, stderr);
  assert.match(
    stdout,
    /^Record +3 single events, 0 hourly rows, 2026-11-21T00:00:00Z to 2026-11-21T00:00:00Z$/m,
  );
  assert.match(stdout, /^Subjects +2$/m);
  assert.match(stdout, /^Recorder +none runs$/m);
  assert.match(stdout, /^1 +web1 +learn +complete +\S+ +\S+ +3 +7$/m);
  const json = JSON.parse(runCommand('status', '--db', db, '--json').stdout) as Record<string, unknown>;
  assert.deepEqual(
    [json.schema, json.losses],
    ['bouheki.status/v1', [{ recording: 1, kind: 'ring', count: 7 }]],
  );
  assert.match(runCommand('status', '--db', db, '--metrics').stderr, /^no-data: no recorder runs/);
});

test('status tells of containers that went without a name', async (t) => {
  const unknown = { runtime: 'docker', id: 'a'.repeat(64), name: '', image: '', imageId: '' };
  const db = await record(directoryFor(t), [{}], {}, (recording) => {
    recording.container(unknown);
    recording.container({ ...unknown, name: 'web' });
  });
  assert.match(runCommand('status', '--db', db).stdout, /^Recording 1: 1 container without a name\.$/m);
  const { recordings } = JSON.parse(runCommand('status', '--db', db, '--json').stdout) as {
    recordings: { unnamed: number }[];
  };
  assert.equal(recordings[0]!.unnamed, 1);
});

test('for how long a recording has run is not told by a clock that was set meanwhile', () => {
  const kernel = { pending: 0, capacity: 0 };
  const recorder = { ...liveStatus(undefined, kernel), recording: 1, startedAt: 1, passed: 48_000_000 };
  const status = {
    database: { path: 'x', bytes: 0, log: 0 },
    extent: { events: 0, hourly: 0, subjects: 0, named: 0 },
    recorder,
    recordings: [],
    gaps: [],
    losses: [],
    readiness: { discovery: [], subjects: [] },
  };
  assert.match(statusText(status, 172_800_000_000, false), /^Recorder +process \d+, recording 1 for 48s, /m);
});

test('status asks the recorder while one runs; so do generate and export', async (t) => {
  const path = databaseFor(t);
  const child = spawn(process.execPath, [join(import.meta.dirname, '../profiler/recorder-child.js'), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  try {
    const { stdout } = runCommand('status', '--db', path);
    assert.match(stdout, new RegExp(`^Recorder +process ${child.pid}, recording 1 for \\S+, `, 'm'));
    assert.match(stdout, /^Lost +none$/m);
    assert.match(stdout, /^Recorded +150 connections\.$/m);
    assert.match(stdout, /^1 +web1 +learn +running +\S+ +- +100 +0$/m);
    assert.match(stdout, /^\/usr\/bin\/curl uid 1000 +stabilizing +3\.0 % +1 +100 +1 1 1 1 1 1 1 1 1 1$/m);
    const metrics = runCommand('status', '--db', path, '--metrics').stdout;
    assert.match(metrics, /^# TYPE bouheki_connections_total counter\nbouheki_connections_total 150$/m);
    assert.match(metrics, /^bouheki_lost_total\{kind="denial-ring"\} 0$/m);
    assert.equal(runCommand('generate', '--db', path).status, 0);
    assert.equal(runCommand('export', '--db', path).stdout.split('\n').length, 102);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  assert.match(runCommand('status', '--db', path).stdout, /^1 +web1 +learn +interrupted /m);
});

test('status tells how ready each subject is, as numbers where nobody looks', async (t) => {
  const steady = Array.from({ length: 1000 }, (_, at) => ({ time: START + (at * HOUR) / 100 }));
  const late = { time: START + 10 * HOUR, uid: 7, port: 22 };
  const db = await record(directoryFor(t), [...steady, late]);
  const { stdout } = runCommand('status', '--db', db);
  assert.ok(
    stdout.endsWith(`
Readiness: 1 stable, 1 learning; 2 destinations in ten steps: 1 1 1 1 1 1 1 1 1 2
Ahead: up to 0.8 % of the next events may be new to it, up to 0.8 % because their subject is
SUBJECT                 STATE     UNSEEN  DESTINATIONS  EVENTS  DISCOVERY
/usr/bin/curl uid 7     learning   100 %             1       1  0 0 0 0 0 0 0 0 0 1
/usr/bin/curl uid 1000  stable     0.3 %             1   1,000  1 1 1 1 1 1 1 1 1 1
`),
    stdout,
  );
  const early = ['--until', '2026-11-21T08:30:00Z', '--json'];
  const { readiness } = JSON.parse(runCommand('status', '--db', db, ...early).stdout);
  assert.deepEqual(readiness.subjects, [
    {
      subject: '/usr/bin/curl uid 1000',
      state: 'stable',
      atMost: 3 / 850,
      unseen: 0,
      events: 850,
      discovery: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    },
  ]);
  assert.match(discoveryText(readiness, true).join('\n'), /^\/usr\/bin\/curl uid 1000 .* ██████████$/m);
});

test('status tells what a recorder of one cgroup does not see, and what the backstop dropped', () => {
  const live: LiveStatus = {
    intents: 0,
    sockets: 0,
    pid: 1,
    startedAt: 0,
    events: 0,
    processes: 0,
    containers: 0,
    lost: noLosses(),
    rate: 0,
    rateMinute: 0,
    pending: 0,
    capacity: 0,
    memory: 0,
    watch: {
      backend: 'cgroup',
      cgroup: '/sys/fs/cgroup/a',
      unseen: UNSEEN_BY_CGROUP,
      stoppedPackets: 1234,
    },
    output: { messages: 2, lines: 1, waiting: 300 },
    bounds: { heap: 3e7, heapLimit: 2e9, cgroupLimit: 5e8, oomScoreAdjust: -1000 },
  };
  const text = statusText(
    {
      database: { path: '/record', bytes: 0, log: 0 },
      extent: { events: 0, hourly: 0, subjects: 0, named: 0 },
      recorder: live,
      recordings: [],
      gaps: [],
      losses: [],
      readiness: { discovery: [], subjects: [] },
    },
    0,
    false,
  );
  assert.match(
    text,
    /^Watches +only \/sys\/fs\/cgroup\/a and what is below it, and there not sockets of other families than IP, .* made before$/m,
  );
  assert.match(text, /^Backstop +1,234 packets dropped$/m);
  assert.match(
    text,
    /^Output +1 line of the log dropped, 300 B of the log not written yet, 2 messages dropped$/m,
  );
  assert.match(
    text,
    /^Memory +0 B of 500\.0 MB for its cgroup, objects 30\.0 MB of 2\.0 GB at most; never ended by the kernel when memory runs out$/m,
  );
  assert.match(metricsText(live), /^bouheki_log_lines_dropped_total 1$/m);
  assert.match(metricsText(live), /^bouheki_oom_score_adj -1000$/m);
  assert.match(metricsText(live), /^bouheki_backstop_packets_total 1234$/m);
  const { watch: _, ...unattached } = live;
  assert.doesNotMatch(metricsText(unattached), /backstop/);
});

test('status tells what is known by names, and which answers did not count', () => {
  const names = {
    known: 12,
    room: 65_536,
    patterns: 3,
    unasked: 1,
    foreign: 0,
    unlisted: 4000,
    strayed: 0,
    doubted: 0,
    impostors: 2,
    withoutRoom: 5,
  };
  const live = liveStatus(undefined, { pending: 0, capacity: 0, names });
  const status = {
    database: { path: '/record', bytes: 0, log: 0 },
    extent: { events: 0, hourly: 0, subjects: 0, named: 0 },
    recorder: live,
    recordings: [],
    losses: [],
    gaps: [],
    readiness: { discovery: [], subjects: [] },
  };
  const text = statusText(status, 0, false);
  assert.match(text, /^Known +12 addresses by 3 names of the policy, room for 65,536$/m);
  assert.match(text, /^WARNING +5 times a name found no room: nothing was allowed by it$/m);
  assert.match(text, /^Not believed +answers 1 that nobody asked for, 4,000 from no resolver of this host$/m);
  assert.match(text, /^Impostors +2 packets of somebody who spoke as a resolver of this host$/m);
  const metrics = metricsText(live);
  assert.match(metrics, /^bouheki_known_addresses 12$/m);
  assert.match(metrics, /^bouheki_names_without_room_total 5$/m);
  assert.match(metrics, /^bouheki_answers_not_believed_total\{reason="unlisted"\} 4000$/m);
  const quiet = { ...names, patterns: 0, unasked: 0, unlisted: 0, impostors: 0, withoutRoom: 0 };
  const before = { ...status, recorder: liveStatus(undefined, { pending: 0, capacity: 0, names: quiet }) };
  assert.doesNotMatch(statusText(before, 0, false), /Known|believed|Impostors|WARNING/);
});

test('metrics have what a policy did, which one it is, what runs, and how much is known', () => {
  const live = liveStatus(undefined, {
    pending: 0,
    capacity: 0,
    version: '1.2.3',
    database: { bytes: 2048, log: 7 },
    subjects: { stable: 3, stabilizing: 0, learning: 1 },
    enforcement: {
      mode: 'block',
      policyHash: 'a319adda2ef2',
      generation: 2,
      loadedAt: START,
      reloadFailed: true,
      denied: 41,
      wouldBeDenied: 1,
    },
  });
  const lines = metricsText(live).split('\n');
  for (const line of [
    'bouheki_denied_total 41',
    'bouheki_would_be_denied_total 1',
    'bouheki_policy_info{digest="a319adda2ef2",mode="block"} 1',
    'bouheki_policy_generation 2',
    `bouheki_policy_loaded_seconds ${START / 1e6}`,
    'bouheki_policy_confirm_by_seconds 0',
    'bouheki_policy_last_reload_successful 0',
    `bouheki_build_info{version="1.2.3",node="${process.versions.node}"} 1`,
    'bouheki_subjects{state="stable"} 3',
    'bouheki_subjects{state="learning"} 1',
    'bouheki_database_bytes 2048',
    'bouheki_database_log_bytes 7',
  ]) {
    assert(lines.includes(line), line);
  }
  // Each has its help and its type, once.
  const names = lines.filter((line) => line.startsWith('bouheki_')).map((line) => /^\w+/.exec(line)![0]);
  for (const name of new Set(names)) {
    for (const kind of ['HELP', 'TYPE']) {
      assert.equal(lines.filter((line) => line.startsWith(`# ${kind} ${name} `)).length, 1, name);
    }
  }
});

const status = (): LiveStatus => liveStatus(undefined, { pending: 0, capacity: 0 });

test('metrics are offered on the loopback interface alone', async () => {
  for (const text of [
    '0.0.0.0:1',
    '192.0.2.1:1',
    '127.0.0.256:1',
    '127.0.0.1:65536',
    '127.0.0.1',
    ':1',
    '::1:1',
  ]) {
    assert.equal(parseEndpoint(text), undefined, text);
  }
  assert.deepEqual(parseEndpoint('[::1]:9464'), { address: '::1', port: 9464 });
  const server = await MetricsServer.listen({ address: '127.0.0.1', port: 0 }, status);
  const fetched = async (path: string): Promise<[number | undefined, string]> => {
    const [response] = await once(get({ port: server.port, path, agent: false }), 'response');
    return [response.statusCode, Buffer.concat(await response.toArray()).toString()];
  };
  const [code, text] = await fetched('/metrics');
  assert.equal(code, 200);
  assert.match(text, /^bouheki_connections_total 0$/m);
  assert.equal((await fetched('/'))[0], 404);
  await assert.rejects(MetricsServer.listen({ address: '127.0.0.1', port: server.port }, status), {
    code: 'usage',
  });
  server.close();
});

test('sizes have a unit', () => {
  assert.deepEqual(['10GB', '1.5GiB', '500MB', '10', '10kB', '-1GB', ''].map(parseSize), [
    1e10,
    1.5 * 2 ** 30,
    5e8,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  assert.deepEqual([0, 999, 1000, 25_178_112, 1e13].map(formatSize), [
    '0 B',
    '999 B',
    '1.0 kB',
    '25.2 MB',
    '10.0 TB',
  ]);
});

test('status and metrics tell which rules end, and how a candidate differs', () => {
  const day = 86_400_000_000;
  const enforcement = {
    mode: 'block' as const,
    policyHash: 'abc',
    generation: 1,
    loadedAt: 0,
    reloadFailed: false,
    denied: 0,
    wouldBeDenied: 0,
    ends: [
      { rule: 'first', until: day },
      { rule: 'second', until: 2 * day },
      { rule: 'third', until: 3 * day },
    ],
    shadow: {
      file: '/next.yaml',
      policyHash: 'def',
      since: 0,
      judged: 2340,
      denies: 12,
      allows: 3,
      unknown: 1,
      subjects: [
        { subject: '/usr/bin/curl, uid 0', denies: 12, allows: 1 },
        { subject: 'sh\u001b, uid 7', denies: 0, allows: 2 },
      ],
    },
  };
  const recorder = liveStatus(undefined, { pending: 0, capacity: 0, enforcement });
  const status = {
    database: { path: '/record', bytes: 0, log: 0 },
    extent: { events: 0, hourly: 0, subjects: 0, named: 0 },
    recorder,
    recordings: [],
    losses: [],
    gaps: [],
    readiness: { discovery: [], subjects: [] },
  };
  const text = statusText(status, 2 * day, false);
  assert.match(text, /^Rules end +third at 1970-01-04T00:00:00Z$/m);
  assert.match(text, /^Rules ended +second at 1970-01-03T00:00:00Z, first at 1970-01-02T00:00:00Z$/m);
  assert.match(
    text,
    /^Shadow +\/next\.yaml \(def\) since 1970-01-01T00:00:00Z: it would deny 12 of 2,340 connections that are allowed, and allow 3 that are denied; 1 of unknown processes$/m,
  );
  assert.match(
    text,
    /^Differs for +\/usr\/bin\/curl, uid 0 \(12 denied, 1 allowed\); sh\\u\{1b\}, uid 7 \(2 allowed\)$/m,
  );
  const metrics = metricsText(recorder);
  assert.match(metrics, /^bouheki_shadow_judged 2340$/m);
  assert.match(metrics, /^bouheki_shadow_would_deny 12$/m);
  assert.match(metrics, /^bouheki_shadow_would_allow 3$/m);
  assert.match(metrics, /^bouheki_policy_next_end_seconds 0$/m);
});

test('status tells how the host stands with its fleet', () => {
  const fleet: FleetStatus = {
    connected: true,
    hub: 'hub.example:8443\u001b[2J',
    acknowledged: START,
    unsentRows: 0,
    certificateEnds: 0,
  };
  const told = (change: Partial<FleetStatus>): string => {
    const kernel = { pending: 0, capacity: 0, fleet: { ...fleet, ...change } };
    const text = statusText(
      {
        database: { path: '/record', bytes: 0, log: 0 },
        extent: { events: 0, hourly: 0, subjects: 0, named: 0 },
        recorder: liveStatus(undefined, kernel),
        recordings: [],
        losses: [],
        gaps: [],
        readiness: { discovery: [], subjects: [] },
      },
      0,
      false,
    );
    return /^Fleet +(.*)$/m.exec(text)![1]!;
  };
  assert.equal(
    told({}),
    'the hub hub.example:8443\\u{1b}[2J answers, it has what was recorded until 2026-11-21T00:00:00Z',
  );
  const policy = { workload: 'web', revision: 4, mode: 'block', stale: true };
  assert.equal(
    told({ connected: false, hub: '', acknowledged: 0, unsentRows: 1200, policy }),
    'no hub answers, none has what was recorded, 1,200 rows not sent, revision 4 of web in block mode, whose time is over',
  );
});
