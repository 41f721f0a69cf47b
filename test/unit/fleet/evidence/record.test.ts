import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { fleetRecord } from '../../../../fleet/evidence/record.ts';
import type { AggregateHosts, AggregateRow, UncountedReason } from '../../../../fleet/wire/message.ts';
import type { SubjectDocument } from '../../../../fleet/wire/subject-document.ts';
import { generatePolicy, type GenerateOptions } from '../../../../generator/generate.ts';
import { unseenByOthers } from '../../../../generator/quorum.ts';
import { flowOf } from '../../../../generator/subject/flow.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import { printPolicy } from '../../../../policy/file/print.ts';
import { evaluate } from '../../../../policy/meaning/evaluate.ts';
import type { Policy } from '../../../../policy/meaning/policy.ts';
import { aggregated, CURL, type Deed, madeHosts, PLAIN } from '../fixture/made-fleet.ts';

const OPTIONS: GenerateOptions = { ...PLAIN, exactPorts: true };

function generated(hosts: AggregateHosts, rows: readonly AggregateRow[], minHosts = 3, options = OPTIONS) {
  const record = fleetRecord(hosts, rows, { workload: 'web', minHosts });
  const result = generatePolicy(record, options);
  const text = printPolicy(result.document);
  const { policy, problems } = parsePolicy(text, 'policy.yaml');
  assert.ok(policy, JSON.stringify(problems));
  return { record, result, text, policy };
}

const to = (address: string, subject: SubjectDocument = CURL, port = 443): Deed => ({
  subject,
  address,
  port,
});

const SUBJECTS: SubjectDocument[] = [
  CURL,
  { command: 'curl', exe: '/usr/bin/curl', user: 'root', group: 'root' },
  { command: 'sudo', exe: '/usr/bin/curl', user: 'ada', group: 'ada', euser: 'root' },
  { command: 'agent', exe: '/opt/agent', uid: 4711, gid: 4711 },
  { command: 'curl2', exe: '/usr/bin/curl', user: 'www-data', group: 'www-data' },
  { command: 'node', uid: 1000, gid: 1000, inContainer: true, container: 'shop/cart', image: 'shop/cart:1' },
  { command: 'job', uid: 1000, gid: 1000, inContainer: true, container: 'job-*' },
];

const deed = fc.record({
  subject: fc.constantFrom(...SUBJECTS),
  address: fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.1.9', '192.0.2.7', '169.254.169.254'),
  port: fc.constantFrom(80, 443),
});
const fleet = fc.array(fc.array(deed, { minLength: 1, maxLength: 12 }), { minLength: 2, maxLength: 12 });

/** What a rule can tell apart. */
function keyOf({ address, port, subject }: Deed): string {
  const { container, euser, exe, uid, user } = subject;
  return JSON.stringify([exe ?? container, user ?? uid, euser, address, port]);
}

/** The policy, or why there is none. */
function textOf(hosts: AggregateHosts, rows: readonly AggregateRow[]): string {
  try {
    return generated(hosts, rows, 2, { ...OPTIONS, evidence: 'full' }).text;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The policy of one rule alone. */
function ruleOf(policy: Policy, name: string): Policy {
  return { ...policy, boxes: policy.boxes.filter((box) => box.name === name && box.action === 'allow') };
}

test('k of n beside a rule is the number of distinct hosts with something inside it', () => {
  let rules = 0;
  fc.assert(
    fc.property(
      fleet,
      fc.constantFrom(1, 2, 3),
      fc.constantFrom(undefined, 2),
      (deeds, minHosts, maxCidrs) => {
        const hosts = madeHosts(deeds.length);
        const rows = aggregated(deeds);
        let made;
        try {
          made = generated(hosts, rows, minHosts, { ...OPTIONS, ...(maxCidrs && { maxCidrs }) });
        } catch (error) {
          assert.match(
            (error as Error).message,
            /^no destination was shown by|^every observation|CIDRs cannot hold/,
          );
          return;
        }
        const { policy, record, result } = made;
        for (const { name, note } of result.document.allow!) {
          rules++;
          const one = ruleOf(policy, name!);
          const inside = new Set<number>();
          for (const observation of record.observations) {
            if (evaluate(one, flowOf(observation, record.accounts)).box === undefined) continue;
            for (let at = 0; at < deeds.length; at++) {
              if (observation.hosts![at >> 3]! & (1 << (at & 7))) inside.add(at);
            }
          }
          assert.ok(
            note!.startsWith(`${inside.size} of ${deeds.length} hosts, `),
            `${name}: ${note} ${inside.size}`,
          );
        }
      },
    ),
    { numRuns: 300 },
  );
  assert.ok(rules > 300, String(rules));
});

test('what fewer than the least hosts showed is allowed nowhere, and listed with its hosts', () => {
  fc.assert(
    fc.property(fleet, fc.constantFrom(1, 2, 3, 5), (deeds, minHosts) => {
      const record = fleetRecord(madeHosts(deeds.length), aggregated(deeds), { workload: 'web', minHosts });
      const shown = new Map<string, Set<number>>();
      for (const [host, done] of deeds.entries())
        for (const each of done) shown.set(keyOf(each), (shown.get(keyOf(each)) ?? new Set()).add(host));
      const least = Math.min(minHosts, deeds.length);
      const few = [...shown.values()].filter(({ size }) => size < least).length;
      let made;
      try {
        made = generatePolicy(record, OPTIONS);
      } catch {
        return;
      }
      const distinct = made.quorum!.withheld.map(
        ({ observations, subject }) =>
          new Set(observations.map(({ address, port }) => `${subject.key} ${address} ${port}`)).size,
      );
      const listed = distinct.reduce((sum, size) => sum + size, 0);
      if (made.quorum!.inside === 0) assert.equal(listed, few);
      else assert.ok(listed < few);
      const { policy } = parsePolicy(printPolicy(made.document), 'policy.yaml');
      for (const { hosts, observations } of made.quorum!.withheld) {
        assert.ok(hosts.length < least);
        for (const each of observations)
          assert.equal(evaluate(policy!, flowOf(each, record.accounts)).action, 'deny');
      }
    }),
    { numRuns: 300 },
  );
});

test('a poisoned host gets nothing in: neither its own destination nor an exception for metadata', () => {
  const good = [to('10.0.0.1')];
  const bad = [...good, to('203.0.113.66'), to('169.254.169.254')];
  const { policy, result, text } = generated(madeHosts(4), aggregated([good, good, good, bad]));
  assert.ok(!/^[^#]*203\.0\.113\.66/m.test(text), text);
  assert.match(
    text,
    /^# withheld: \{"rule":"\/usr\/bin\/curl user www-data","from":\{"exe":\["\/usr\/bin\/curl"\],"user":\["www-data"\]\},"of":4,"shown":\[\{"by":\["web-3"\],"events":20,"to":\["169\.254\.169\.254:443\/tcp","203\.0\.113\.66:443\/tcp"\]\}\]\}$/m,
  );
  assert.equal(result.metadataUsers.length, 0);
  assert.ok(policy.boxes.some(({ action, name }) => action === 'deny' && name === 'cloud metadata'));
});

test('with fewer hosts than asked for, all of them must have shown it', () => {
  const rows = aggregated([[to('10.0.0.1'), to('10.0.0.2')], [to('10.0.0.1')]]);
  const { result, text } = generated(madeHosts(2), rows);
  assert.equal(result.quorum!.least, 2);
  assert.match(text, /# 2 of 2 hosts, 20 events in at least 12 hours, 2026-11-23 to 2026-11-24/);
  assert.match(text, /withheld: .*"of":2,/);
  const alone = generated(madeHosts(1), aggregated([[to('10.0.0.1')]]));
  assert.match(alone.text, /# 1 of 1 host, 10 events/);
  assert.match(alone.text, /^# Host hold-out: not possible/m);
});

const away = (reason: UncountedReason, count: number) =>
  Array.from({ length: count }, (_, at) => ({ id: `${reason}${at}`, name: `${reason}-${at}`, reason }));

test('hosts that do not count at present still stand for the least: one alone is granted nothing', () => {
  const one = aggregated([[to('203.0.113.66')]]);
  const hosts = madeHosts(1, [...away('losses', 150), ...away('hours', 48), ...away('clone', 1)]);
  assert.throws(() => generated(hosts, one), {
    message: /no destination was shown by 3 hosts/,
    detail: 'Too few: 1 host counted, and what is granted must be shown by 3',
  });
  // Two of three that are asked for: the third is there, and both are not enough.
  const both = aggregated([[to('10.0.0.1')], [to('10.0.0.1')]]);
  assert.throws(() => generated(madeHosts(2, away('hours', 1)), both), { code: 'no-data' });
  assert.equal(generated(madeHosts(2, away('hours', 1)), both, 2).result.quorum!.least, 2);
  // Who was taken out is none of the workload's.
  const left = madeHosts(2, [...away('quarantined', 5), ...away('revoked', 5)]);
  assert.equal(generated(left, both).result.quorum!.least, 2);
  assert.equal(generated(hosts, one, 1).result.quorum!.least, 1);
});

test('the host hold-out is what leaving out each host in turn gives', () => {
  fc.assert(
    fc.property(fleet, (deeds) => {
      const record = fleetRecord(madeHosts(deeds.length), aggregated(deeds), {
        workload: 'web',
        minHosts: 1,
      });
      const { holdOut } = generatePolicy(record, { ...OPTIONS, by: 'exe' }).quorum!;
      const sets = deeds.map((done) => new Set(done.map(keyOf)));
      let [unseen, all] = [0, 0];
      for (const [at, own] of sets.entries()) {
        all += own.size;
        for (const key of own) if (!sets.some((other, place) => place !== at && other.has(key))) unseen++;
      }
      assert.equal(unseenByOthers(holdOut), unseen / all);
    }),
    { numRuns: 200 },
  );
});

test('names of users stand in rules, numbers only where no name is known', () => {
  const all = SUBJECTS.map((subject, at) => to(`10.0.${at}.1`, subject));
  const { text } = generated(madeHosts(3), aggregated([all, all, all]));
  assert.ok(!/85899\d+/.test(text), text);
  for (const expected of [
    'user: [www-data]',
    'user: [root, ada]',
    'uid: [4711]',
    'container: [shop/cart]',
    'container: ["job-*"]',
  ]) {
    assert.ok(text.includes(expected), `${expected}\n${text}`);
  }
});

test('rows and hosts in another order give the same policy, byte for byte', () => {
  fc.assert(
    fc.property(
      fleet.chain((deeds) =>
        fc.tuple(
          fc.constant(deeds),
          fc.shuffledSubarray([...deeds.keys()], { minLength: deeds.length }),
          fc.integer(),
        ),
      ),
      ([deeds, order, seed]) => {
        const hosts = madeHosts(deeds.length, [{ id: 'x', name: 'late', reason: 'hours' }]);
        const rows = aggregated(deeds);
        const shuffled = {
          ...hosts,
          counted: order.map((at) => hosts.counted[at]!),
        };
        const moved = rows
          .map((row) => {
            const set = Buffer.alloc(row.hosts.length);
            for (const [place, at] of order.entries())
              if (row.hosts[at >> 3]! & (1 << (at & 7))) set[place >> 3]! |= 1 << (place & 7);
            return { ...row, hosts: set };
          })
          .toSorted((a, b) => ((a.port * seed) % 7) - ((b.port * seed) % 7) || b.count - a.count)
          .toReversed();
        assert.equal(textOf(shuffled, moved), textOf(hosts, rows));
      },
    ),
    { numRuns: 150 },
  );
});

test('a host that shares its name goes by its id in rules', () => {
  const hosts = madeHosts(3);
  hosts.counted[1]!.name = 'web-0';
  hosts.counted[2]!.name = 'role=web';
  const { counted } = fleetRecord(hosts, [], { workload: 'web', minHosts: 3 }).fleet;
  assert.deepEqual(
    counted,
    hosts.counted.map(({ id }) => id),
  );
});

test('without a host that counts there is nothing to generate from', () => {
  assert.throws(
    () =>
      fleetRecord(madeHosts(0, [{ id: 'x', name: 'web-9', reason: 'quarantined' }]), [], {
        workload: 'web',
        minHosts: 3,
      }),
    { code: 'no-data', detail: 'web-9: quarantined' },
  );
});

test('a host that writes nonsense keeps no policy from being made, and is named', () => {
  const rows = aggregated([[to('10.0.0.1')], [to('10.0.0.1')], [to('10.0.0.1')]]);
  const nonsense = [
    '{"command":"x","exe":7}',
    '{"command":"x","uid":"0"}',
    '{"command":"x","uid":8589934592}',
    '{"command":"x","uid":-1}',
    '{"command":"x","other":1}',
    '{"command":"x","user":{"a":1}}',
    '{"exe":"/x"}',
    'null',
    '{',
  ];
  const bad = nonsense.map((text): AggregateRow =>
    Object.assign({}, rows[0]!, { subject: Buffer.from(text), hosts: Buffer.from([4]) }),
  );
  bad.push({ ...rows[0]!, socket: 'teapot', address: Buffer.alloc(0), hosts: Buffer.from([4]) });
  const { text } = generated(madeHosts(3), [...bad, ...rows]);
  assert.match(text, /^# Unreadable: 10 observations of web-2, left out$/m);
  assert.match(text, /# 3 of 3 hosts, 30 events/);
});
