import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import type { Engine, HostRow } from '../../../../fleet/engine/engine.ts';
import { openEngine } from '../../../../fleet/engine/open.ts';
import type { AggregateHosts, AggregateRow, Batch, Row } from '../../../../fleet/wire/message.ts';
import { subjectBytes } from '../../../../fleet/wire/subject-document.ts';
import { hourOfWeek, weekOf } from '../../../../fleet/wire/week.ts';
import { batchOf, enrolled, fullWindow, HOUR, hoursOf, NOW, rowOf } from '../fixture/evidence.ts';
import { postgresMissing, sql, startPostgres, type TestServer } from '../fixture/postgres.ts';

const WEEK = weekOf(NOW * 1000);
/** From Tuesday 06:00 of the week before this one. Microseconds. */
const WINDOW = { since: NOW * 1000 - 198 * HOUR, until: NOW * 1000, leastRecordedHours: 24 };
const SUBJECTS = ['curl', 'sshd'].map((command) => subjectBytes({ command }));
const NAMES = Array.from({ length: 9 }, (_, at) => `host-${at}`);

let server: TestServer;
let engine: Engine;
let hosts: HostRow[];

before(async () => {
  if (postgresMissing !== false) return;
  server = await startPostgres();
  engine = await openEngine([server.url]);
  await engine.setWorkload({ name: 'web', select: { role: 'web' }, order: 1 });
  hosts = await enrolled(engine, NAMES, { role: 'web' });
  await enrolled(engine, ['elsewhere'], { role: 'other' });
});

after(async () => {
  await engine?.close();
  await server?.remove();
});

interface FleetHost {
  state: 'active' | 'quarantined' | 'revoked';
  clone: boolean;
  recorded: number;
  lost: number;
  rows: Row[];
}

/** By what name the events of a row went. */
const CALLED: readonly Pick<Row, 'name' | 'knownBy'>[] = [
  { name: '', knownBy: 'NO_NAME' },
  { name: 'one.example', knownBy: 'SELF' },
  { name: 'one.example', knownBy: 'HOST' },
  { name: 'two.example', knownBy: 'CGROUP' },
];

const row: fc.Arbitrary<Row> = fc
  .record({
    subject: fc.nat(1),
    port: fc.constantFrom(53, 80, 443),
    verdict: fc.constantFrom('ALLOW' as const, 'ALLOW' as const, 'DENY' as const),
    hoursAgo: fc.integer({ min: 0, max: 300 }),
    span: fc.nat(3),
    count: fc.integer({ min: 1, max: 40 }),
    name: fc.nat(2),
    called: fc.constantFrom(...CALLED),
    age: fc.integer({ min: -9, max: 9 }),
  })
  .map(({ subject, port, verdict, hoursAgo, span, count, name, called, age }) => {
    const last = NOW * 1000 - hoursAgo * HOUR - 1;
    const hour = hourOfWeek(last);
    const hours = Array.from({ length: Math.min(span, hour) + 1 }, (_, at) => hour - at);
    return rowOf({
      subject,
      port,
      verdict,
      revision: verdict === 'ALLOW' ? 0 : 2,
      count,
      first: last - (hours.length - 1) * HOUR,
      last,
      hours: hoursOf(...hours),
      week: weekOf(last),
      names: ['one.example', 'two.example'].slice(0, name),
      ...(called.name !== '' && { ...called, age }),
    });
  });

/** What tells rows apart, but for the week. */
function keyOf({ knownBy, name, port, subject, verdict }: Omit<Row, 'week'>): string {
  return `${SUBJECTS[subject]!.toString()} ${String(port).padStart(5, '0')} ${verdict} ${name} ${knownBy}`;
}

/** A host tells of a key and week once. */
const rowsOf = fc.uniqueArray(row, {
  maxLength: 12,
  selector: ({ week, ...row }) => `${keyOf(row)} ${week}`,
});

const fleet: fc.Arbitrary<FleetHost[]> = fc.array(
  fc.record({
    state: fc.constantFrom('active' as const, 'active' as const, 'active' as const, 'quarantined' as const),
    clone: fc.constantFrom(false, false, false, false, true),
    recorded: fc.constantFrom(60, 60, 60, 23, 24, 0),
    lost: fc.constantFrom(0, 0, 0, 1, 5),
    rows: rowsOf,
  }),
  { minLength: NAMES.length, maxLength: NAMES.length },
);

const HOURS_OF_WINDOW = (time: number) => time >= WINDOW.since - (WINDOW.since % HOUR) && time < WINDOW.until;

/** Whether an hour of a week is in the window. */
function within(week: number, hour: number): boolean {
  return HOURS_OF_WINDOW((4 * 24 + week * 168 + hour) * HOUR);
}

function hoursIn(week: number, bytes: Buffer): string[] {
  return Array.from({ length: 168 }, (_, hour) => hour)
    .filter((hour) => (bytes[hour >> 3]! & (1 << (hour & 7))) !== 0 && within(week, hour))
    .map((hour) => `${week} ${hour}`);
}

/** Why a host does not count, by the words of docs/fleet.md. */
function reasonOf({ state, clone, recorded, lost, rows }: FleetHost): string | undefined {
  if (state !== 'active') return state;
  if (clone) return 'clone';
  if (recorded < WINDOW.leastRecordedHours) return 'hours';
  const events = rows.filter(({ week }) => week >= WEEK - 1).reduce((sum, { count }) => sum + count, 0);
  return lost > 0.01 * (events + lost) ? 'losses' : undefined;
}

function bruteForce(all: readonly FleetHost[]): { hosts: unknown; rows: unknown[] } {
  const counted = all.flatMap((host, at) => (reasonOf(host) === undefined ? [at] : []));
  const groups = new Map<string, { rows: { row: Row; place: number }[] }>();
  counted.forEach((at, place) => {
    for (const each of all[at]!.rows) {
      if (hoursIn(each.week, each.hours).length === 0) continue;
      const key = keyOf(each);
      const group = groups.get(key) ?? { rows: [] };
      group.rows.push({ row: each, place });
      groups.set(key, group);
    }
  });
  return {
    hosts: {
      counted: counted.map((at) => NAMES[at]),
      uncounted: all.flatMap((host, at) => {
        const reason = reasonOf(host);
        return reason === undefined ? [] : [{ name: NAMES[at], reason }];
      }),
    },
    rows: [...groups]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, { rows }]) => ({
        key,
        count: rows.reduce((sum, { row: { count } }) => sum + count, 0),
        first: Math.min(...rows.map(({ row: { first } }) => first)),
        last: Math.max(...rows.map(({ row: { last } }) => last)),
        hours: new Set(rows.flatMap(({ row: { week, hours } }) => hoursIn(week, hours))).size,
        hosts: [...new Set(rows.map(({ place }) => place))].toSorted((a, b) => a - b),
        names: ['one.example', 'two.example']
          .map((name) => [
            name,
            new Set(rows.filter(({ row: { names } }) => names.includes(name)).map(({ place }) => place)).size,
          ])
          .filter(([, known]) => known !== 0),
        ages: agesOf(rows),
      })),
  };
}

/** Of each host the most, in the order of their places. */
function agesOf(rows: readonly { row: Row; place: number }[]): number[] {
  const named = rows.filter(({ row: { name } }) => name !== '');
  const places = [...new Set(named.map(({ place }) => place))].toSorted((a, b) => a - b);
  return places.map((at) =>
    Math.max(...named.flatMap(({ place, row: { age } }) => (place === at ? [age] : []))),
  );
}

async function ask(): Promise<{ hosts: unknown; rows: unknown[] }> {
  const { hosts: all, rows } = await engine.aggregate('web', WINDOW, NOW);
  const found: AggregateRow[] = [];
  for await (const part of rows) found.push(...part);
  return {
    hosts: {
      counted: all.counted.map(({ name }) => name),
      uncounted: all.uncounted.map(({ name, reason }) => ({ name, reason })),
    },
    rows: found
      .map(({ ages, count, first, hosts, hours, last, nameHosts, names, subject, ...called }) => ({
        key: `${subject.toString()} ${String(called.port).padStart(5, '0')} ${called.verdict} ${called.name} ${called.knownBy}`,
        count,
        first,
        last,
        hours,
        hosts: placesOf(hosts),
        names: names.map((name, at) => [name, nameHosts[at]]),
        ages,
      }))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1)),
  };
}

function placesOf(bits: Buffer): number[] {
  return Array.from({ length: 8 * bits.length }, (_, at) => at).filter(
    (at) => (bits[at >> 3]! & (1 << (at & 7))) !== 0,
  );
}

async function store(all: readonly FleetHost[]): Promise<void> {
  await sql(server.url, 'WITH a AS (DELETE FROM bouheki.evidence) DELETE FROM bouheki.host_week');
  await engine.merge(
    all.map(({ rows, recorded, lost }, at) => ({
      host: hosts[at]!.id,
      batch: withWindow(rows, recorded, lost),
    })),
    NOW,
  );
  for (const [at, { state, clone }] of all.entries()) {
    await engine.setHostState(hosts[at]!.id, state);
    await engine.setClone(hosts[at]!.id, clone);
  }
}

function withWindow(rows: Row[], recorded: number, lost: number): Batch {
  const hours = Array.from({ length: recorded }, (_, at) => at).filter((at) => within(WEEK, at));
  // Hours before the window do not count.
  const before = hoursOf(0, 1, 2, 3);
  const windows = [
    fullWindow({ recordedHours: hoursOf(...hours), lost }),
    fullWindow({ week: WEEK - 1, recordedHours: before }),
    fullWindow({ week: WEEK - 3, recordedHours: Buffer.alloc(21, 255), lost: 1000 }),
  ];
  return batchOf(rows, { subjects: SUBJECTS, windows });
}

test('k of n is that of a brute force, on any fleet', { skip: postgresMissing }, async () => {
  await fc.assert(
    fc.asyncProperty(fleet, async (all) => {
      await store(all);
      assert.deepEqual(await ask(), bruteForce(all));
    }),
    { numRuns: 25 },
  );
});

test(
  'a quarantine takes the share of that host, back to the start, and no other',
  { skip: postgresMissing },
  async () => {
    const active = { state: 'active' as const, clone: false, recorded: 60, lost: 0 };
    const all: FleetHost[] = NAMES.map((_, at) => ({
      ...active,
      rows: [rowOf({ count: 2 ** at }), ...(at === 4 ? [rowOf({ port: 6667, count: 9 })] : [])],
    }));
    await store(all);
    assert.deepEqual(await ask(), bruteForce(all));
    await engine.setHostState(hosts[4]!.id, 'quarantined');
    const without = all.map((host, at) => (at === 4 ? { ...host, state: 'quarantined' as const } : host));
    const found = await ask();
    assert.deepEqual(found, bruteForce(without));
    assert.equal(found.rows.length, 1);
    await engine.setHostState(hosts[4]!.id, 'active');
    assert.deepEqual(await ask(), bruteForce(all));
  },
);

/** Hosts that count and have shown nothing. */
function quietHosts(): FleetHost[] {
  return NAMES.map(() => ({ state: 'active', clone: false, recorded: 60, lost: 0, rows: [] }));
}

test(
  'rows of a host whose clock cannot be believed count without hours',
  { skip: postgresMissing },
  async () => {
    await store(quietHosts());
    await engine.merge([{ host: hosts[0]!.id, batch: batchOf([rowOf({ hours: Buffer.alloc(21) })]) }], NOW);
    const { rows } = await engine.aggregate('web', WINDOW, NOW);
    const found: AggregateRow[] = [];
    for await (const part of rows) found.push(...part);
    assert.deepEqual(
      found.map(({ hours, hosts }) => [hours, placesOf(hosts)]),
      [[0, [0]]],
    );
  },
);

test('a reader that stops early gives its connection back', { skip: postgresMissing }, async () => {
  const all: FleetHost[] = NAMES.map(() => ({
    state: 'active',
    clone: false,
    recorded: 60,
    lost: 0,
    rows: [rowOf()],
  }));
  await store(all);
  for (let at = 0; at < 20; at++) {
    const { rows } = await engine.aggregate('web', WINDOW, NOW);
    for await (const part of rows) {
      assert.equal(part.length, 1);
      break;
    }
  }
  const hosted: AggregateHosts = (await engine.aggregate('nothing', WINDOW, NOW)).hosts;
  assert.deepEqual(hosted, { counted: [], uncounted: [] });
});

test(
  'counts that no host can have seen add up to the greatest number, and fail nothing',
  { skip: postgresMissing },
  async () => {
    await store(quietHosts());
    const count = Number.MAX_SAFE_INTEGER;
    const rows = Array.from({ length: 1100 }, (_, at) => rowOf({ verdict: 'DENY', revision: at + 1, count }));
    const windows = [fullWindow({ lost: count })];
    await engine.merge([{ host: hosts[0]!.id, batch: batchOf(rows, { windows }) }], NOW);
    await engine.merge([{ host: hosts[1]!.id, batch: batchOf(rows) }], NOW);
    const { hosts: found, rows: parts } = await engine.aggregate('web', WINDOW, NOW);
    assert.deepEqual(
      found.uncounted.map(({ reason }) => reason),
      ['losses'],
    );
    const lines: AggregateRow[] = [];
    for await (const part of parts) lines.push(...part);
    assert.deepEqual(
      lines.map((line) => line.count),
      [count],
    );
  },
);
