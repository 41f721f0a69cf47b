import { formatCount } from './number.ts';

/** What a recording has counted: connections, and what is none. */
export interface EventCounts {
  events: number;
  /** Of them UDP connects, which send nothing. */
  intents: number;
  /** Of them openings of sockets, which go nowhere yet. */
  sockets: number;
}

/** How many of the events were connections. */
export function connectionsOf({ events, intents, sockets }: EventCounts): number {
  return events - intents - sockets;
}

/** A line about the events that are no connections; nothing where there were none. */
export function describeApart({ intents, sockets }: EventCounts): string {
  const apart = [
    ...(intents === 0 ? [] : [`${formatCount(intents, 'intent')} (UDP connects, which send nothing)`]),
    ...(sockets === 0 ? [] : [`${formatCount(sockets, 'opening')} of sockets without a destination`]),
  ];
  return apart.length === 0 ? '' : `Besides: ${apart.join(', ')}.\n`;
}
