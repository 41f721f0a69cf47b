/**
 * Every way out of the kernel that we know of, as root and as an ordinary user: without us, with a policy that allows
 * everything, and with policies that deny some addresses. A packet sniffer says what left. What was seen is kept in
 * BOUHEKI_OUT.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { provesItself } from '../../bpf/canary.ts';
import type { Egress } from '../../bpf/egress.ts';
import { kernelVersion } from '../../bpf/probe.ts';
import { SOCKET_KINDS, SocketKind, Tables, VECTOR_WORDS } from '../../bpf/wire.ts';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { applyPolicy } from '../../enforcer/apply.ts';
import { compilePolicy } from '../../enforcer/compile.ts';
import { parsePolicy } from '../../policy/file/parse.ts';
import { Operation } from '../../profiler/event/batch.ts';
import { testedAttachment } from './attachment.ts';
import { type Event, takeEvents } from './egress/event.ts';
import { loadEnforcing } from './enforcing.ts';
import {
  choosesUnseen,
  DENIED,
  hidesRoute,
  mayBeStopped,
  mayGoUnrecorded,
  mayLeak,
  openingOf,
  passesBackstop,
  passesDefault,
  sendsByKernel,
} from './egress/expectation.ts';
import { ONLY, type Result, runVectors } from './egress/vector.ts';

const ALLOW_ALL = `
version: 2
network:
  mode: block
  allow: [{ name: everything }]
`;
const ALLOW_SOME = `
version: 2
network:
  mode: block
  allow: [{ name: some, to: [{ cidr: [10.99.0.2, "fd99::2"] }] }, { name: dialled, to: [{ cidr: [10.99.0.1] }] }]
`;
const DENY_SOME = `${ALLOW_ALL}  deny: [{ name: evil, to: [{ cidr: [${DENIED.map((address) => `"${address}"`).join(', ')}] }] }]\n`;

interface Run {
  results: Result[];
  events: Event[];
}

const kernel = kernelVersion();
let egress: Egress;

async function runWith(mode: string, uid: number, enforce: () => void): Promise<Run> {
  const results = await runVectors(uid, enforce, () => mode !== 'none' && egress.flip(0));
  const run = { results, events: mode === 'none' ? [] : takeEvents(egress) };
  const folder = process.env['BOUHEKI_OUT'];
  if (folder) writeFileSync(join(folder, `egress-${mode}-${uid}.json`), JSON.stringify(run));
  return run;
}

/** `openings`: whether everybody may open sockets that no destination can be judged by. */
function putInForce(text: string, openings: boolean): void {
  const { policy, problems } = parsePolicy(text, 'test');
  assert(policy, problems.map(({ message }) => message).join('\n'));
  const compiled = compilePolicy(policy, () => undefined);
  applyPolicy(egress, compiled, { mode: policy.mode, target: policy.target, record: true, cgroups: [] });
  const side = egress.inactiveSide === 0 ? 1 : 0;
  const { tables } = egress.tables(side);
  for (let kind = 0; kind < SOCKET_KINDS; kind += 1) {
    const allowed = openings ? 1 << compiled.denyBoxes : 0;
    tables.setUint32(Tables.offset.socket + kind * VECTOR_WORDS * 8, allowed, true);
  }
  tables.setUint32(Tables.offset.source_routes, openings ? 1 : 0, true);
}

/** What a run of one vector has that another run of it must have too. */
function comparable({ absent, step, error, wire }: Result): string {
  return JSON.stringify({
    absent,
    step,
    error,
    wire: wire.map(({ to, protocol, port }) => `${protocol} ${to} ${port}`).sort(),
  });
}

/** Unlike a comparison with an empty list, this names them all. */
function assertNone(failures: readonly string[]): void {
  assert(failures.length === 0, `${failures.length} failures:\n${failures.join('\n')}`);
}

function wentAstray({ wire }: Result): boolean {
  return wire.some(({ to }) => DENIED.includes(to));
}

/** Everything that left has an event that names the destination, or one that says what was opened instead. */
function missingEvents({ results, events }: Run, uid: number): string[] {
  return results.flatMap(({ name, pid, wire }) => {
    if (wire.length === 0 || mayGoUnrecorded(name, kernel)) return [];
    const own = events.filter((event) => event.pid === pid && event.uid === uid);
    const sent = own.filter(
      ({ operation }) => operation === Operation.connect || operation === Operation.send,
    );
    const opening = openingOf(name);
    const opened = own.some(
      ({ operation, port }) =>
        operation === Operation.open && opening !== undefined && port === SocketKind[opening],
    );
    if (opening && !opened) return [`${name}: opening it is not recorded`];
    if (choosesUnseen(name)) return [];
    return wire
      .filter(({ to, protocol, port }) => {
        if (sendsByKernel(name)) return !sent.some((event) => event.to === to);
        return !sent.some((event) => event.to === to && event.protocol === protocol && event.port === port);
      })
      .map(({ to, protocol, port }) => `${name}: protocol ${protocol} to ${to} port ${port} is not recorded`);
  });
}

for (const uid of [0, 1000]) {
  describe(`as uid ${uid}`, () => {
    let none: Run;
    const without = (name: string): Result => none.results.find((result) => result.name === name)!;

    before(async () => {
      none = await runWith('none', uid, () => {});
      egress = loadEnforcing(testedAttachment());
      assert(await provesItself(egress), 'the kernel asks the programs');
      egress.attachRouteGuard(cgroupRoot());
    });
    after(() => egress[Symbol.dispose]());

    test('the vectors work', () => {
      const working = none.results.filter(wentAstray).length;
      // Raw and packet sockets, and source routes of IPv4, are not for everybody.
      assert(
        ONLY.length > 0 || working >= (uid === 0 ? 130 : 110),
        `${working} vectors reach a denied address`,
      );
      assertNone(none.results.filter(({ error }) => error === 'hung').map(({ name }) => name));
    });

    describe('a policy that allows everything, and was in force before', () => {
      let run: Run;
      before(async () => {
        putInForce(ALLOW_ALL, true);
        run = await runWith('allow', uid, () => putInForce(ALLOW_ALL, true));
      });

      test('does no harm', () => {
        const harmed = run.results
          .filter((result) => comparable(result) !== comparable(without(result.name)))
          .map((result) => `${result.name}: ${comparable(without(result.name))}, now ${comparable(result)}`);
        assertNone(harmed);
      });

      test('records everything that leaves', () => assertNone(missingEvents(run, uid)));
    });

    for (const openings of [false, true]) {
      const what = openings
        ? 'and lets everybody open any socket, after one that allows everything'
        : 'and says nothing of sockets, when there was none before';
      describe(`a policy that denies some addresses ${what}`, () => {
        let run: Run;
        before(async () => {
          if (openings) putInForce(ALLOW_ALL, true);
          run = await runWith(openings ? 'deny-open' : 'deny', uid, () => putInForce(DENY_SOME, openings));
        });

        test('keeps every packet from them', () => {
          const leaks = run.results.filter(
            (result) =>
              wentAstray(result) &&
              !mayLeak(result.name, kernel) &&
              !(openings && choosesUnseen(result.name) && openingOf(result.name) !== 'source-route'),
          );
          assertNone(leaks.map(({ name }) => name));
        });

        test('stops nothing else', () => {
          const stopped = run.results.filter(({ name, ...result }) => {
            if (wentAstray(without(name)) || mayBeStopped(name, kernel) || (!openings && openingOf(name)))
              return false;
            return comparable({ name, ...result }) !== comparable(without(name));
          });
          assertNone(
            stopped.map(
              (result) => `${result.name}: ${comparable(without(result.name))}, now ${comparable(result)}`,
            ),
          );
        });

        test('records what leaves', () => assertNone(missingEvents(run, uid)));

        test('records every denial', () => {
          const silent = run.results.filter(
            ({ name, pid, ...result }) =>
              wentAstray(without(name)) &&
              !wentAstray({ name, pid, ...result }) &&
              // A packet has no process.
              !hidesRoute(name) &&
              !mayLeak(name, kernel) &&
              !(openings && openingOf(name) === 'source-route') &&
              !run.events.some((event) => event.pid === pid && event.uid === uid && event.blocked),
          );
          assertNone(silent.map(({ name }) => name));
        });
      });
    }

    test("with the backstop only tunnels and frames of one's own reach a denied address", async () => {
      egress.attachBackstop(cgroupRoot());
      putInForce(ALLOW_ALL, true);
      const { results } = await runWith('backstop', uid, () => putInForce(DENY_SOME, true));
      const leaks = results.filter(
        (result) => wentAstray(result) && !passesBackstop(result.name) && openingOf(result.name) !== 'packet',
      );
      assertNone(leaks.map(({ name }) => name));
    });

    test('with the backstop and a few addresses that are allowed, nothing else is reached but by answers', async () => {
      putInForce(ALLOW_ALL, true);
      const { results } = await runWith('default', uid, () => putInForce(ALLOW_SOME, true));
      const leaks = results.filter(
        (result) =>
          wentAstray(result) && !passesDefault(result.name, kernel) && openingOf(result.name) !== 'packet',
      );
      assertNone(leaks.map(({ name }) => name));
      const answers = results.filter(({ name }) => name.startsWith('accepted_'));
      assertNone(
        answers
          .filter((result) => !wentAstray(result))
          .map((result) => `${result.name} is cut off: ${comparable(result)}`),
      );
      const harmed = results.filter(
        (result) => result.name.endsWith('_ok') && comparable(result) !== comparable(without(result.name)),
      );
      assertNone(harmed.map(({ name }) => name));
    });
  });
}
