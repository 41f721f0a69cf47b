import assert from 'node:assert/strict';
import test from 'node:test';
import { allFindings } from '../../../../generator/drift/finding/all-findings.ts';
import { compare } from '../../../../generator/drift/drift.ts';
import { WatchedTime } from '../../../../generator/drift/finding/silence.ts';
import type { RecordedObservation } from '../../../../profiler/read/read.ts';
import { observed, policyOf, START } from '../fixture.ts';

const HOUR = 3_600_000_000;
const DAY = 24 * HOUR;

const POLICY = policyOf(
  `version: 2
network:
  mode: monitor
  deny:
    - name: no metadata
      to: [{ cidr: [169.254.169.254/32] }]
  allow:
    - name: web fetches
      from: { exe: [/usr/bin/curl] }
      to: [{ cidr: [10.0.0.1/32, 10.0.0.2/32], port: [443], protocol: [tcp] }]
    - name: application
      from: { exe: [/opt/app-1.2/bin/app] }
      to: [{ cidr: [10.0.5.1/32], port: [5432], protocol: [tcp] }]
    - name: mail
      from: { exe: [/usr/bin/msmtp] }
      to: [{ cidr: [10.0.6.1/32], port: [25], protocol: [tcp] }]
    - name: backup
      from: { exe: [/usr/bin/rsync] }
      to: [{ cidr: [10.0.7.1/32], port: [873], protocol: [tcp] }]
    - name: mirrors
      from: { exe: [/usr/bin/apt] }
      to: [{ cidr: [198.51.100.7/32], port: [443], protocol: [tcp] }]
`,
);

/** Ten days of learning, then four. */
const SINCE = START + 10 * DAY;
const END = SINCE + 4 * DAY;

/** Traffic of a program from one hour to another, in every one of them. */
function traffic(exe: string, address: bigint, port: number, change: Partial<RecordedObservation> = {}) {
  const [first, last] = [change.first ?? START, change.last ?? SINCE - HOUR];
  const hours = Math.floor((last - first) / HOUR) + 1;
  const command = exe.slice(exe.lastIndexOf('/') + 1);
  return observed({ address, port, count: hours, hours, ...change, first, last, subject: { exe, command } });
}

const today = { first: SINCE + HOUR, last: END - HOUR };
const later = { first: SINCE + 2 * HOUR, last: END - HOUR };

const CURL = '/usr/bin/curl';
const APP = '/opt/app-1.2/bin/app';
const mirror = { names: ['mirror.example'], known: { by: 'self' as const, age: 0 } };

/** What was learnt. */
const PAST = [
  traffic(CURL, 0x0a000001n, 443),
  traffic(CURL, 0x0a000002n, 443),
  traffic(APP, 0x0a000501n, 5432),
  traffic('/usr/bin/msmtp', 0x0a000601n, 25),
  traffic('/usr/bin/rsync', 0x0a000701n, 873),
  traffic('/usr/bin/apt', 0xc6336407n, 443, mirror),
];

/** The same on the days after. */
const USUAL = PAST.map((each) => ({ ...each, ...today, count: 95, hours: 95 }));
const usual = (...exes: string[]) => USUAL.filter(({ subject }) => exes.includes(subject.exe!));

function findingsOf(now: RecordedObservation[], past = PAST, unusedAfter = 8 * DAY, end = END) {
  const found = allFindings(POLICY, {
    now: compare(POLICY, now),
    past: { allowed: compare(POLICY, past).allowed, since: SINCE },
    watched: new WatchedTime([{ start: START, end }]),
    unusedAfter,
  });
  return found.map(({ destination, evidence, kind, subject }) => [
    kind,
    subject,
    destination,
    evidence.at(-1),
  ]);
}

test('days like those before them have no finding', () => {
  assert.deepEqual(findingsOf(USUAL), []);
});

test('each thing that happened is one finding of its kind, and there is no other', () => {
  const story = [
    // A new destination, beside the usual ones, and one that a deny rule names.
    ...usual(CURL),
    traffic(CURL, 0xcb007107n, 443, later),
    traffic(CURL, 0xa9fea9fen, 80, { ...later, verdict: 'deny', monitored: true, rule: 'no metadata' }),
    // An upgraded executable.
    traffic('/opt/app-1.3/bin/app', 0x0a000501n, 5432, later),
    // A service that moved to another address, and one that moved behind its name.
    traffic('/usr/bin/msmtp', 0x0a00ff01n, 25, later),
    ...usual('/usr/bin/apt'),
    traffic('/usr/bin/apt', 0xcb007163n, 443, { ...later, ...mirror }),
    // rsync has gone silent.
  ];
  assert.deepEqual(
    findingsOf(story, PAST, DAY).map(([kind, subject, destination]) => [kind, subject, destination]),
    [
      ['identity changed', '/opt/app-1.3/bin/app uid 1000', 'tcp 10.0.5.1:5432'],
      ['moved', '/usr/bin/apt uid 1000', 'tcp mirror.example:443 (203.0.113.99)'],
      ['new', '/usr/bin/curl uid 1000', 'tcp 169.254.169.254:80'],
      ['new', '/usr/bin/curl uid 1000', 'tcp 203.0.113.7:443'],
      ['moved', '/usr/bin/msmtp uid 1000', 'tcp 10.0.255.1:25'],
      ['unused', 'rule backup', 'the whole rule'],
    ],
  );
});

test('what has moved says from where and why, and the rule that it left is not called unused too', () => {
  const all = usual(CURL, APP, '/usr/bin/rsync', '/usr/bin/apt');
  const moved = traffic('/usr/bin/msmtp', 0x0a00ff01n, 25, later);
  assert.deepEqual(findingsOf([...all, moved], PAST, DAY), [
    [
      'moved',
      '/usr/bin/msmtp uid 1000',
      'tcp 10.0.255.1:25',
      'was at 10.0.6.1, silent since 2026-11-30 23:00:00Z',
    ],
  ]);
  const near = traffic('/usr/bin/msmtp', 0x0a000609n, 25, later);
  assert.deepEqual(findingsOf([...USUAL, near]), [
    ['moved', '/usr/bin/msmtp uid 1000', 'tcp 10.0.6.9:25', 'was at 10.0.6.1: the same /24'],
  ]);
  const beside = traffic('/usr/bin/msmtp', 0x0a00ff01n, 25, later);
  assert.deepEqual(
    findingsOf([...USUAL, beside]).map(([kind]) => kind),
    ['new'],
    'the old address is not silent',
  );
});

const evidenceOf = (exe: string, rest: RecordedObservation[]) =>
  findingsOf([...rest, traffic(exe, 0x0a000501n, 5432, later)]).map(([kind, , , evidence]) => [
    kind,
    evidence,
  ]);

test('another program where an allowed one went is the same under another name only if it is alike or alone', () => {
  const others = usual(CURL, '/usr/bin/msmtp', '/usr/bin/rsync', '/usr/bin/apt');
  const was = `was ${APP} uid 1000`;
  assert.deepEqual(evidenceOf('/opt/app-1.10.2/bin/app', USUAL), [
    ['identity changed', `${was}: another version of its executable`],
  ]);
  assert.deepEqual(evidenceOf('/srv/app', USUAL), [
    ['identity changed', `${was}: its executable has the same name`],
  ]);
  assert.deepEqual(evidenceOf('/srv/worker', others), [
    ['identity changed', `${was}, silent since 2026-11-30 23:00:00Z`],
  ]);
  assert.deepEqual(
    evidenceOf('/srv/worker', USUAL).map(([kind]) => kind),
    ['new'],
  );
});

test('a rule that goes silent is told when its past makes that unlikely, with the chance', () => {
  const rest = usual(CURL, APP, '/usr/bin/msmtp', '/usr/bin/apt');
  const hourly = findingsOf(rest);
  assert.deepEqual(hourly, [
    [
      'unused',
      'rule backup',
      'the whole rule',
      'silent since 2026-11-30 23:00:00Z, for 4d1h of the record; chance of that: less than 0.001 %',
    ],
  ]);
  assert.deepEqual(findingsOf(rest, PAST, 8 * DAY, SINCE + 2 * DAY), [], 'a weekend');
  // Once a day, in the hour before midnight: ten active hours in ten days.
  const daily = PAST.map((each) =>
    each.subject.exe === '/usr/bin/rsync' ? { ...each, hours: 10, count: 10 } : each,
  );
  assert.deepEqual(findingsOf(rest, daily), []);
  assert.deepEqual(findingsOf(rest, daily, DAY), [
    [
      'unused',
      'rule backup',
      'the whole rule',
      'silent since 2026-11-30 23:00:00Z, for 4d1h of the record; chance of that: 3.3 %',
    ],
  ]);
});

test('of a rule that is used the addresses that have gone silent are told, and those never seen', () => {
  const [first, , ...rest] = USUAL;
  const [learnt, , ...others] = PAST;
  const told = (past: RecordedObservation[]) =>
    findingsOf([first!, ...rest], past).map(([, subject, destination, evidence]) => [
      subject,
      destination,
      evidence,
    ]);
  const where = ['rule web fetches', 'cidr 10.0.0.2/32'];
  const silent =
    'silent since 2026-11-30 23:00:00Z, for 4d1h of the record; chance of that: less than 0.001 %';
  assert.deepEqual(told(PAST), [[...where, silent]]);
  assert.deepEqual(told([learnt!, ...others]), [[...where, 'never seen in 14d of the record']]);
});

test('a subject that does far more than before surges; one that came in bursts before may come in bursts', () => {
  const [curl, ...rest] = USUAL;
  const many = { ...curl!, count: 2000 };
  assert.deepEqual(findingsOf([many, ...rest]), [
    ['surge', '/usr/bin/curl uid 1000', 'most to tcp 10.0.0.1:443', '21.8 an hour, before 2 an hour'],
  ]);
  assert.deepEqual(findingsOf([{ ...curl!, count: 150 }, ...rest]), []);
  const bursts = PAST.map((each) => (each.subject.exe === CURL ? { ...each, count: 2400, hours: 2 } : each));
  assert.deepEqual(findingsOf([many, ...rest], bursts), []);
});

test('without a time to compare with there is no surge, and only what was never seen for long is unused', () => {
  const found = allFindings(POLICY, {
    now: compare(
      POLICY,
      [...PAST, ...USUAL].filter(({ subject }) => subject.exe !== '/usr/bin/rsync'),
    ),
    watched: new WatchedTime([{ start: START, end: END }]),
    unusedAfter: 8 * DAY,
  });
  assert.deepEqual(
    found.map(({ evidence, kind, subject }) => [kind, subject, evidence]),
    [['unused', 'rule backup', ['never seen in 14d of the record']]],
  );
});
