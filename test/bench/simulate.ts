/**
 * A candidate judged by a record: whether `simulate` finds what `evaluate` says of each event, on random events and on a
 * part of a large record, and how long it takes for ten million of them beside judging each row.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventsOf } from '../../generator/drift/entry.ts';
import { simulate } from '../../generator/drift/simulate.ts';
import { flowOf } from '../../generator/subject/flow.ts';
import { evaluate } from '../../policy/meaning/evaluate.ts';
import { TEXT_DIMENSIONS } from '../../policy/meaning/dimension.ts';
import { stops } from '../../policy/meaning/mode.ts';
import type { Flow, Policy } from '../../policy/meaning/policy.ts';
import { parseAddress } from '../../policy/value/address.ts';
import { parseProtocol } from '../../policy/value/protocol.ts';
import { Accounts } from '../../profiler/read/observation.ts';
import { openReader, type RecordedObservation } from '../../profiler/read/read.ts';
import fc from '../arbitrary/fast-check.ts';
import { flow, intent, opening } from '../arbitrary/flow.ts';
import { writtenPolicy } from '../arbitrary/policy.ts';
import { Random } from '../unit/generator/random.ts';
import { policyOf } from '../unit/generator/fixture.ts';
import { readFileSync } from 'node:fs';
import { BUNDLE, Checks, measure, tellProcessor } from './generate/check.ts';
import { LARGE, makeLargeRecord } from './generate/made/large-record.ts';

const POLICIES = 100;
const EVENTS_EACH = 10_000;
const FLOWS = 5000;
const SEED = 1;
const HOUR = 3_600_000_000;
/** The part of the large record that is judged row by row too. */
const PART = { since: LARGE.start + 8 * HOUR, until: LARGE.start + 9 * HOUR };

const checks = new Checks();
benchRandom();
await benchLarge();
process.exitCode = checks.failed === 0 ? 0 : 1;

/** What came of events; numbers are events. */
interface Sums {
  blocked: number;
  stopped: number;
  opened: number;
}

function benchRandom(): void {
  const random = new Random(SEED);
  const kinds = fc.oneof({ weight: 8, arbitrary: flow() }, intent(), opening());
  const seen = fc.sample(kinds, { numRuns: FLOWS, seed: SEED }).map(observationOf);
  let [different, denied] = [0, 0];
  for (const { policy } of fc.sample(writtenPolicy(), { numRuns: POLICIES, seed: SEED })) {
    const folded = new Map<string, RecordedObservation>();
    const sums: Sums = { blocked: 0, stopped: 0, opened: 0 };
    for (let event = 0; event < EVENTS_EACH; event++) {
      const at = Math.floor(random.next() * seen.length);
      const verdict = random.next() < 0.8 ? 'allow' : 'deny';
      const monitored = verdict === 'deny' && random.next() < 0.5;
      const observation = { ...seen[at]!, verdict, monitored } as RecordedObservation;
      add(sums, policy, flowOf(observation), verdict === 'deny' && !monitored);
      const key = `${at} ${verdict} ${monitored}`;
      const known = folded.get(key);
      if (known === undefined) folded.set(key, observation);
      else known.count += 1;
    }
    const found = simulate(policy, [...folded.values()], {});
    const said: Sums = {
      blocked: eventsOf(found.blocked),
      stopped: found.stopped,
      opened: eventsOf(found.opened),
    };
    if (JSON.stringify(said) !== JSON.stringify(sums)) different++;
    denied += sums.blocked + sums.stopped;
  }
  const events = POLICIES * EVENTS_EACH;
  checks.equal(`policies that simulate judges otherwise than evaluate`, different, 0);
  console.log(
    `      ${POLICIES} random policies, ${events.toLocaleString('en')} random events, ${denied.toLocaleString('en')} of them denied`,
  );
}

function add(sums: Sums, policy: Policy, each: Flow, wasStopped: boolean, count = 1): void {
  const denies = stops(policy, evaluate(policy, each));
  if (denies && wasStopped) sums.stopped += count;
  else if (denies) sums.blocked += count;
  else if (wasStopped) sums.opened += count;
}

/** What a record would have of a flow: no groups, and one name's age. */
function observationOf({ address, groups: _groups, names = [], ...each }: Flow): RecordedObservation {
  const {
    command,
    egid,
    euid,
    fsgid,
    fsuid,
    gid,
    inContainer,
    intent: isIntent,
    port,
    protocol,
    socket,
    uid,
  } = each;
  const texts = TEXT_DIMENSIONS.flatMap((key) => (each[key] === undefined ? [] : [[key, each[key]]]));
  const ids = Object.entries({ egid, euid, fsgid, fsuid }).filter(([, id]) => id !== undefined);
  return {
    subject: { ...Object.fromEntries([...texts, ...ids]), command, uid, gid, inContainer },
    ...(names.length > 0 && {
      names: names.map(({ name }) => name),
      known: { by: 'self' as const, age: names[0]!.age },
    }),
    ...(socket !== undefined && { socket }),
    ...(isIntent === true && { intent: true }),
    family: address.family,
    address: address.value,
    port,
    protocol,
    verdict: 'allow',
    monitored: false,
    count: 1,
    first: 0,
    last: 0,
    hours: 1,
    blocks: [],
  };
}

async function benchLarge(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'bouheki-bench-'));
  try {
    const [db, path] = ['record.duckdb', 'policy.yaml'].map((name) => join(directory, name)) as [
      string,
      string,
    ];
    await makeLargeRecord(db);
    measure([BUNDLE, 'generate', '--db', db, '--deny', '10.0.1.0/24', '--mode', 'block', '-o', path]);
    const policy = policyOf(readFileSync(path, 'utf8'));
    const all = measure([BUNDLE, 'simulate', path, '--db', db, '--json']);
    checks.equal(
      'events of the large record',
      (JSON.parse(all.stdout) as { events: number }).events,
      LARGE.events,
    );
    checks.atMost(`${LARGE.events.toLocaleString('en')} events simulated`, all.seconds, 5, 's');
    checks.atMost('  memory', all.megabytes, 1000, 'MB');
    tellProcessor(all);
    const times = ['--since', isoOf(PART.since), '--until', isoOf(PART.until)];
    const part = JSON.parse(
      measure([BUNDLE, 'simulate', path, '--db', db, '--json', ...times]).stdout,
    ) as Simulated;
    const before = process.cpuUsage();
    const rows = await judgeRows(db, policy);
    const { system, user } = process.cpuUsage(before);
    const each = (user + system) / rows.events;
    checks.equal('blocked of an hour, row by row', eventsOf(part.blocked), rows.blocked);
    checks.equal('  events', part.events, rows.events);
    // By processor time, which others on the machine do not change.
    const ratio = (each * LARGE.events) / (all.processor * 1e6);
    checks.atLeast('processor time row by row / of simulate', ratio, 10);
    console.log(`      ${rows.events.toLocaleString('en')} rows, ${each.toFixed(1)} µs each`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Simulated {
  events: number;
  blocked: { count: number }[];
}

function isoOf(microseconds: number): string {
  return new Date(microseconds / 1000).toISOString();
}

/** Judges each row of a part of a record by itself, as it is exported. */
async function judgeRows(db: string, policy: Policy): Promise<Sums & { events: number }> {
  const reader = await openReader(db);
  const accounts = new Accounts();
  const sums = { blocked: 0, stopped: 0, opened: 0, events: 0 };
  try {
    for await (const lines of reader.lines('ndjson', PART)) {
      for (const line of lines) {
        const row = JSON.parse(line) as Row;
        add(sums, policy, { ...flowOfRow(row), accounts }, row.verdict === 'deny', row.count);
        sums.events += row.count;
      }
    }
    return sums;
  } finally {
    reader.close();
  }
}

interface Row extends Record<'uid' | 'gid' | 'port' | 'count', number> {
  comm: string;
  exe: string | null;
  script: string | null;
  unit: string | null;
  cgroup: string | null;
  addr: string;
  protocol: string;
  verdict: string;
}

function flowOfRow({ addr, cgroup, comm, exe, gid, port, protocol, script, uid, unit }: Row): Flow {
  return {
    command: comm,
    ...(exe !== null && { exe }),
    ...(script !== null && { script }),
    ...(unit !== null && { unit }),
    ...(cgroup !== null && { cgroup }),
    uid,
    euid: uid,
    gid,
    egid: gid,
    inContainer: false,
    address: parseAddress(addr)!,
    port,
    protocol: parseProtocol(protocol)!,
  };
}
