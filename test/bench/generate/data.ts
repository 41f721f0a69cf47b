import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parseAddress } from '../../../policy/value/address.ts';
import { parsePrefix, type Prefix } from '../../../policy/value/cidr.ts';
import { parseProtocol } from '../../../policy/value/protocol.ts';

/** Public data sets beside the repository; the benchmark says so when they are not there. */
const FOLDER = join(import.meta.dirname, '..', '..', '..', '..', '..', 'shared', 'data');

/** The text of a file; undefined when it is not there. */
export function readData(name: string): string | undefined {
  const path = join(process.env['BOUHEKI_DATA'] ?? FOLDER, name);
  return existsSync(path) ? gunzipSync(readFileSync(path)).toString() : undefined;
}

/** One prefix or address a line. */
export function prefixesOf(text: string): Prefix[] {
  return text.split('\n').flatMap((line) => {
    const prefix = line === '' ? undefined : parsePrefix(line.trim());
    return prefix === undefined ? [] : [prefix];
  });
}

/** One outgoing connection of a log. */
export interface LogEvent {
  /** Microseconds since the epoch. */
  time: number;
  host: string;
  command: string;
  exe: string;
  user: string;
  container: string;
  capture: string;
  family: 4 | 6;
  address: bigint;
  /** As the log writes it: it may distinguish a mapped address from the IPv4 address. */
  addressText: string;
  port: number;
  protocol: number;
}

/** Reads a connection log, in the order of time. No value holds a comma. */
export function eventsOf(text: string): LogEvent[] {
  const [head, ...lines] = text.trim().split('\n');
  const column = new Map(head!.split(',').map((name, index) => [name, index]));
  const events = lines.flatMap((line): LogEvent[] => {
    const cells = line.split(',');
    const cell = (name: string): string => cells[column.get(name) ?? -1] ?? '';
    const address = parseAddress(cell('dst_ip'));
    if (address === undefined) return [];
    return [
      {
        time: Math.round(Number(cell('ts')) * 1e6),
        host: cell('host'),
        command: cell('comm'),
        exe: cell('exe'),
        user: cell('uid'),
        container: cell('container'),
        capture: cell('trace') || cell('capture'),
        family: address.family,
        address: address.value,
        addressText: cell('dst_ip'),
        port: Number(cell('dst_port')),
        // A log may not know it; then it is one that nothing else has.
        protocol: parseProtocol(cell('proto')) ?? 255,
      },
    ];
  });
  return events.sort((a, b) => a.time - b.time);
}
