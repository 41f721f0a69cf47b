import { parseAddress } from '../../../policy/value/address.ts';
import { parseProtocol } from '../../../policy/value/protocol.ts';
import type { RecordedObservation } from '../../../profiler/read/read.ts';

const BLOCKS = 10;

/** Each line of an import's CSV as an observation of one event, in the order of time. */
export function readNamedEvents(text: string): RecordedObservation[] {
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
export function foldEqual(events: readonly RecordedObservation[]): RecordedObservation[] {
  const folded = new Map<string, RecordedObservation & { blocks: number[] }>();
  for (const [at, event] of events.entries()) {
    const { address, family, names, port, protocol, subject } = event;
    const key = JSON.stringify([subject, family, String(address), port, protocol, names]);
    const known = folded.get(key) ?? { ...event, count: 0, blocks: Array.from({ length: BLOCKS }, () => 0) };
    folded.set(key, known);
    known.count++;
    known.last = event.last;
    if (known.known && event.known)
      known.known = { ...known.known, age: Math.max(known.known.age, event.known.age) };
    known.blocks[Math.floor((at * BLOCKS) / events.length)]!++;
  }
  return [...folded.values()];
}
