import { OwnerTable } from '../../../generator/rule/owner.ts';
import { parsePrefix } from '../../../policy/value/cidr.ts';
import type { RecordedObservation } from '../../../profiler/read/read.ts';
import { eventsOf, readData, type LogEvent } from './data.ts';
import { observe } from './observe.ts';

/** A series of real events, cut in two. */
export interface Split {
  name: string;
  history: RecordedObservation[];
  later: RecordedObservation[];
}

const SHARES = [0.7, 0.8];

/** Every real series, cut where 30 and 20 % of the events are left, and of the time. Undefined without the data. */
export function splits(): Split[] | undefined {
  const windows = readData('otrf_two_hosts.csv.gz');
  const linux = readData('sysflow_linux.csv.gz');
  if (windows === undefined || linux === undefined) return undefined;
  const hosts = eventsOf(windows);
  const containers = eventsOf(linux);
  const series: [string, LogEvent[]][] = [
    ['SysFlow', containers],
    ['SysFlow nodejs', containers.filter(({ capture }) => capture.startsWith('nodejs/'))],
    ['OTRF', hosts],
    ['OTRF MORDORDC', hosts.filter(({ host }) => host.startsWith('MORDORDC'))],
    ['OTRF WORKSTATION6', hosts.filter(({ host }) => host.startsWith('WORKSTATION6'))],
  ];
  return series.flatMap(([name, events]) =>
    SHARES.flatMap((share) => {
      const from = events[0]!.time;
      const moment = from + (events.at(-1)!.time - from) * share;
      const rest = `last ${Math.round(100 - share * 100)} %`;
      return [
        cut(`${name}, ${rest} of the events`, events, Math.floor(events.length * share)),
        cut(
          `${name}, ${rest} of the time`,
          events,
          events.findIndex(({ time }) => time >= moment),
        ),
      ];
    }),
  );
}

function cut(name: string, events: readonly LogEvent[], at: number): Split {
  return { name, history: observe(events.slice(0, at)), later: observe(events.slice(at)) };
}

/** Published blocks of cloud providers; undefined without the data. */
export function publishedOwners(): OwnerTable | undefined {
  const lines = readData('cloud_providers.csv.gz')?.trim().split('\n').slice(1);
  return (
    lines &&
    new OwnerTable(
      lines.flatMap((line) => {
        const [owner, text] = line.split(',');
        const prefix = parsePrefix(text!);
        return prefix === undefined ? [] : [{ owner: owner!, prefix }];
      }),
    )
  );
}
