import { generatePolicy } from '../../../generator/generate.ts';
import { joinAddresses, type DestinationKind } from '../../../generator/subject/by-name.ts';
import { flowOf } from '../../../generator/subject/flow.ts';
import { parsePolicy } from '../../../policy/file/parse.ts';
import { printPolicy } from '../../../policy/file/print.ts';
import { compileEvaluator } from '../../../policy/meaning/evaluator.ts';
import { parseAddress } from '../../../policy/value/address.ts';
import { parseProtocol } from '../../../policy/value/protocol.ts';
import type { RecordedObservation } from '../../../profiler/read/read.ts';
import type { Checks } from './check.ts';
import { readData } from './data.ts';

const SETS = ['named_rita_home', 'named_proxifier_oct', 'named_otrf_mkt01', 'named_otrf_ws5'];

/** The share of the events that a policy is learnt from. */
const LEARNT = 0.75;
const BLOCKS = 10;

/**
 * On connections of which a log knew the name: how many events of the last quarter a policy of the rest denies, with
 * destinations by address and by name. A name is taken for one that the program asked for.
 */
export function benchNames(checks: Checks): void {
  for (const set of SETS) {
    const text = readData(`${set}.csv.gz`);
    if (text === undefined) continue;
    const events = eventsOf(text);
    const cut = Math.floor(events.length * LEARNT);
    const learnt = foldEqual(events.slice(0, cut));
    const rest = events.slice(cut);
    const [address, name, auto] = (['address', 'name', 'auto'] as const).map((by) =>
      deniedBy(learnt, rest, by),
    );
    const share = (count: number) => `${((100 * count) / rest.length).toFixed(1)} %`;
    console.log(
      `      ${set}: of ${rest.length} later events denied by address ${share(address!)}, by name ${share(name!)}, auto ${share(auto!)}`,
    );
    checks.atMost(`${set}: denied by name, at most as by address`, name!, address!, 'events');
  }
}

function deniedBy(
  learnt: readonly RecordedObservation[],
  rest: readonly RecordedObservation[],
  destinations: DestinationKind,
): number {
  const { document } = generatePolicy(
    {
      observations: joinAddresses(learnt),
      apart: learnt,
      activity: [],
      losses: [],
      recordings: 1,
      interrupted: 0,
    },
    {
      mode: 'block',
      target: 'host',
      deny: [],
      allowLoss: false,
      includeDenied: false,
      allowCommandRules: true,
      version: 'bench',
      destinations,
    },
  );
  const { policy } = parsePolicy(printPolicy(document), 'generated');
  const judge = compileEvaluator(policy!);
  return rest.filter((event) => judge(flowOf(event)).action === 'deny').length;
}

/** Each line as an observation of one event, in the order of time. */
function eventsOf(text: string): RecordedObservation[] {
  const [head, ...lines] = text.trim().split('\n');
  const column = new Map(head!.split(',').map((name, index) => [name, index]));
  const events = lines.flatMap((line): RecordedObservation[] => {
    const cells = line.split(',');
    const cell = (name: string): string => cells[column.get(name)!] ?? '';
    const address = parseAddress(cell('addr'));
    if (address === undefined) return [];
    const time = Math.round(Number(cell('ts')) * 1e6);
    const [exe, container, image, name] = ['exe', 'container', 'image', 'name'].map(cell);
    return [
      {
        subject: {
          command: cell('comm'),
          uid: Number(cell('uid')),
          gid: Number(cell('gid')),
          inContainer: container !== '',
          ...(exe !== '' && { exe: exe! }),
          ...(container !== '' && { container: container! }),
          ...(image !== '' && { image: image! }),
        },
        family: address.family,
        address: address.value,
        port: Number(cell('port')),
        protocol: parseProtocol(cell('protocol')) ?? 255,
        verdict: 'allow',
        monitored: false,
        ...(name !== '' && { names: [name!.toLowerCase()], known: { by: 'self' as const, age: 0 } }),
        count: 1,
        first: time,
        last: time,
        hours: 1,
        blocks: [],
      },
    ];
  });
  return events.sort((a, b) => a.first - b.first);
}

/** Equal events as one, with how many there were in each tenth of them. */
function foldEqual(events: readonly RecordedObservation[]): RecordedObservation[] {
  const folded = new Map<string, RecordedObservation>();
  for (const [at, event] of events.entries()) {
    const { address, family, names, port, protocol, subject } = event;
    const key = JSON.stringify([subject, family, String(address), port, protocol, names]);
    const known = folded.get(key) ?? { ...event, count: 0, blocks: Array.from({ length: BLOCKS }, () => 0) };
    folded.set(key, known);
    known.count++;
    known.last = event.last;
    known.blocks[Math.floor((at * BLOCKS) / events.length)]!++;
  }
  return [...folded.values()];
}
