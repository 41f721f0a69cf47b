import type { RecordedObservation } from '../../../profiler/read/read.ts';
import type { LogEvent } from './data.ts';

const HOUR = 3_600_000_000;

/** The observations that the store would give for these events, which are in the order of time. */
export function observe(events: readonly LogEvent[]): RecordedObservation[] {
  const users = new Map<string, number>();
  const found = new Map<
    string,
    { observation: RecordedObservation & { blocks: number[] }; hours: Set<number> }
  >();
  for (const [at, event] of events.entries()) {
    const numeric = /^\d+$/.test(event.user);
    if (!numeric && !users.has(event.user)) users.set(event.user, users.size);
    const uid = numeric ? Number(event.user) : users.get(event.user)!;
    const key = [
      event.host,
      event.command,
      event.exe,
      uid,
      event.container,
      event.family,
      event.address,
      event.port,
      event.protocol,
    ].join('\0');
    let entry = found.get(key);
    if (entry === undefined) {
      const observation: RecordedObservation & { blocks: number[] } = {
        subject: {
          command: event.command,
          ...(event.exe !== '' && { exe: event.exe.replace(/^(?=[^/])/, '/').replaceAll('\\', '/') }),
          uid,
          gid: 0,
          inContainer: event.container !== '',
          ...(event.container !== '' && { container: event.container }),
        },
        family: event.family,
        address: event.address,
        port: event.port,
        protocol: event.protocol,
        verdict: 'allow',
        monitored: false,
        count: 0,
        first: event.time,
        last: event.time,
        hours: 0,
        blocks: Array.from({ length: 10 }, () => 0),
      };
      entry = { observation, hours: new Set() };
      found.set(key, entry);
    }
    const { hours, observation } = entry;
    observation.count++;
    observation.last = event.time;
    hours.add(Math.floor(event.time / HOUR));
    observation.hours = hours.size;
    const block = Math.floor((at * 10) / events.length);
    observation.blocks[block] = observation.blocks[block]! + 1;
  }
  return [...found.values()].map(({ observation }) => observation);
}
