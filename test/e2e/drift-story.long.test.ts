/**
 * A story: a host is learnt; then come a new destination, a denied one, an upgraded executable, a service that has moved,
 * one that has moved behind its name, a rule that falls silent, and a surge. Drift finds each of them and nothing else.
 */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { bouheki, type LogLine, query, Running } from './bouheki.ts';
import { folder, inContainer, makeImage, run, startNetwork, stopNetwork, succeeded } from './guest.ts';

const place = folder();
const zone = join(place, 'zone.json');
const policy = join(place, 'policy.yaml');
const db = join(place, 'record.duckdb');

const WEB = '/opt/web';
const MAIL = '/opt/mail';
const NAMED = '/opt/named';
const BACKUP = '/opt/backup';
const MANY = '/opt/many';
const APP = '/opt/app-1.2/bin/app';
const UPGRADED = '/opt/app-1.3/bin/app';
const NAME = 'mirror.test';
const OLD_MIRROR = '93.184.216.7';
const NEW_MIRROR = '93.184.220.9';
const METADATA = '169.254.169.254';

/** Connections that are far from a few, in one process. */
const SURGE = 150;

/** A program connects, so many times. Whether it could. */
function connect(program: string, host: string, port: number, times = 1): boolean {
  const script = `for ((i = 0; i < ${times}; i++)); do exec 3<>/dev/tcp/${host}/${port} || exit 1; exec 3>&-; done`;
  return run(program, '-c', script).status === 0;
}

function setMirror(address: string): void {
  writeFileSync(zone, JSON.stringify({ [NAME]: [address] }));
}

/** What the host does each day, but for those who are left out. */
function dailyWork(...without: string[]): void {
  const work: [string, string, number][] = [
    [WEB, '10.0.0.11', 80],
    [APP, '10.0.5.1', 8080],
    [MAIL, '10.0.6.1', 443],
    [NAMED, NAME, 80],
    [BACKUP, '10.0.7.1', 80],
    [MANY, '10.0.8.1', 80],
  ];
  for (const [program, host, port] of work)
    if (!without.includes(program)) assert(connect(program, host, port), program);
  succeeded(inContainer('web', 'wget', '-q', '-O', '-', 'http://10.0.1.71/'));
}

interface Entry {
  exe?: string;
  address: string;
  port: number;
  protocol: string;
  count: number;
}

interface Report {
  findings: { id: string; kind: string; subject: string; destination: string }[];
  new: Entry[];
  denied: Entry[];
  disagreed: Entry[];
}

let since = '';
/** Seconds: the rule that is silent is so for longer, and no other. */
let unusedAfter = 0;
const log: LogLine[] = [];

function drift(...args: string[]): Report {
  const window = ['--since', since, '--unused-after', `${unusedAfter}s`];
  const { stderr, stdout } = bouheki('drift', policy, '--db', db, '--json', ...window, ...args);
  assert.notEqual(stdout, '', stderr);
  return JSON.parse(stdout) as Report;
}

before(async () => {
  startNetwork();
  makeImage();
  setMirror(OLD_MIRROR);
  succeeded(run('ip', 'netns', 'exec', 'servers', 'test/vm/resolver', zone));
  writeFileSync('/etc/resolv.conf', 'nameserver 10.0.0.53\n');
  for (const program of [WEB, MAIL, NAMED, BACKUP, MANY, APP, UPGRADED]) {
    mkdirSync(dirname(program), { recursive: true });
    copyFileSync('/bin/bash', program);
  }
  const learn = await Running.start('learn', '--db', db);
  dailyWork();
  const learnt = succeeded(await learn.end('SIGINT'));
  assert.match(learnt.stderr, /, 0 lost\.$/m);
  const generate = ['generate', '--destinations', 'address', '--deny', METADATA, '--mode', 'monitor'];
  writeFileSync(policy, succeeded(bouheki(...generate, '--db', db)).stdout, { mode: 0o600 });
});

after(stopNetwork);

test('the story is told by log and record', async () => {
  since = new Date().toISOString();
  const monitor = await Running.start('enforce', policy, '--db', db);
  assert(connect(WEB, '203.0.113.7', 443));
  assert(connect(UPGRADED, '10.0.5.1', 8080));
  assert(connect(MAIL, '10.0.200.9', 443));
  setMirror(NEW_MIRROR);
  assert(connect(NAMED, NAME, 80));
  assert(connect(MANY, '10.0.8.1', 80, SURGE));
  // The container is another one by now, of the same name.
  dailyWork(APP, MAIL, NAMED, BACKUP);
  log.push(
    ...succeeded(await monitor.end('SIGINT'))
      .stdout.split('\n')
      .filter(Boolean)
      .map(lineOf),
  );
  const block = await Running.start('enforce', policy, '--db', db, '--mode', 'block', '--no-preflight');
  assert(!connect(WEB, METADATA, 80));
  dailyWork(APP, MAIL, NAMED, BACKUP);
  log.push(
    ...succeeded(await block.end('SIGINT'))
      .stdout.split('\n')
      .filter(Boolean)
      .map(lineOf),
  );
  unusedAfter = await secondsOfStory();
});

/** How long the last two recordings were, in which all but one rule had traffic, rounded up. */
async function secondsOfStory(): Promise<number> {
  const { openReader } = await import('../../profiler/read/read.ts');
  const reader = await openReader(db);
  try {
    const [, ...story] = await reader.recordings();
    return Math.ceil(story.reduce((sum, { endedAt, startedAt }) => sum + endedAt - startedAt, 0) / 1e6);
  } finally {
    reader.close();
  }
}

function lineOf(line: string): LogLine {
  return JSON.parse(line) as LogLine;
}

test('drift finds just that', () => {
  const { disagreed, findings } = drift();
  assert.deepEqual(disagreed, []);
  assert.deepEqual(
    findings
      .map(({ destination, kind, subject }) => `${kind}: ${subject.replace(' (root)', '')}: ${destination}`)
      .toSorted(),
    [
      `denied: ${WEB} uid 0: tcp ${METADATA}:80`,
      `identity changed: ${UPGRADED} uid 0: tcp 10.0.5.1:8080`,
      `moved: ${MAIL} uid 0: tcp 10.0.200.9:443`,
      `moved: ${NAMED} uid 0: tcp ${NAME}:80 (${NEW_MIRROR})`,
      `new: ${WEB} uid 0: tcp 203.0.113.7:443`,
      `surge: ${MANY} uid 0: most to tcp 10.0.8.1:80`,
      `unused: rule ${BACKUP} uid 0: the whole rule`,
    ],
  );
});

const idsOf = (report: Report): string[] => report.findings.map(({ id }) => id);

test('a second report without traffic has the same ids', () => {
  assert.deepEqual(idsOf(drift()), idsOf(drift()));
});

/** `/opt/web tcp 203.0.113.7:443 x1`. */
function lineText({ address, count, exe, port, protocol }: Entry): string {
  return `${exe} ${protocol} ${address}:${port} x${count}`;
}

test('log, record and drift agree line for line', async () => {
  const logged = log.map(({ Addr, Count = 1, Exe, Port, Protocol }) =>
    lineText({ exe: Exe!, address: Addr, port: Port, protocol: Protocol, count: Count }),
  );
  const rows = await query<Entry>(
    db,
    `SELECT exe, address, port, protocol, sum(count)::INTEGER AS count FROM connections
     WHERE verdict = 'deny' AND operation <> 'intent' GROUP BY ALL`,
  );
  const recorded = rows.map(lineText);
  const report = drift();
  const reported = [...report.new, ...report.denied].map(lineText);
  assert.deepEqual(logged.toSorted(), recorded.toSorted());
  assert.deepEqual(reported.toSorted(), recorded.toSorted());
});

/** What the kernel noted or stopped since the story began. */
async function judgedByKernel(noted: boolean): Promise<string[]> {
  const rows = await query<Entry>(
    db,
    `SELECT exe, address, port, protocol, sum(count)::INTEGER AS count FROM connections
     WHERE verdict = 'deny' AND noted = ${noted} AND operation <> 'intent' AND time >= '${since}' GROUP BY ALL`,
  );
  return rows.map(lineText).toSorted();
}

test('simulate says of every recorded event what the kernel did', async () => {
  const [recorded] = await query<{ events: number }>(
    db,
    `SELECT sum(count)::INTEGER AS events FROM connections WHERE operation <> 'intent' AND time >= '${since}'`,
  );
  const noted = await judgedByKernel(true);
  const stopped = await judgedByKernel(false);
  const { stdout } = bouheki('simulate', policy, '--db', db, '--json', '--since', since);
  const said = JSON.parse(stdout) as { blocked: Entry[]; events: number; opened: Entry[]; stopped: number };
  // Each event is allowed by both, or in one of these; none is in `opened`, so all that was stopped would be again.
  assert.deepEqual(said.blocked.map(lineText).toSorted(), noted);
  assert.deepEqual(stopped, [`${WEB} tcp ${METADATA}:80 x${said.stopped}`]);
  assert.deepEqual([said.events, said.opened], [recorded!.events, []]);
});
