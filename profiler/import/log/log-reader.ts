import type { ColumnName } from '../../database/connection-column.ts';
import { UNKNOWN_ID } from '../../event/credential.ts';
import type { Answers } from './answers.ts';
import type { Localities } from './localities.ts';

/** A connection by the columns of an import; what is absent is unknown. */
export type Cells = { readonly [Name in ColumnName]?: string | undefined };

/** What a line has turned out to be. */
export type Finding =
  | { cells: Cells }
  /** Why it can't be read. */
  | { problem: string }
  /** Why it is no connection that was made from here; such lines are counted by this. */
  | { passed: string }
  /** The whole file can't be read without what the remedy says. */
  | { undecided: string; remedy: string };

export type LogRow = { line: number } & Finding;

/** Reads one file, line by line. */
export interface LogReader {
  /** `text` is the line without its end. The rows may be those of lines before. */
  read(text: string, line: number): LogRow[];
  /** What is left at the end of the file. */
  end(): LogRow[];
}

/** What the readers of all files of an import share. */
export interface LogContext {
  local: Localities;
  answers: Answers;
  /** Connections that were seen to begin, by what the format knows them by: their end may be in the next file. */
  begun: Set<string>;
  /** When a snapshot was taken that doesn't say it. */
  at?: string;
  /** The host of what doesn't say it. */
  host?: string;
}

/** Of a source that knows no process: no rule names one without an executable, a name and an id. */
export const NO_PROCESS = { comm: '', uid: String(UNKNOWN_ID), gid: String(UNKNOWN_ID) } as const;

/** A remedy for all formats that don't say whose addresses are whose. */
export const NAME_LOCAL =
  'Name the networks of the hosts to learn from with --local, such as --local 10.0.0.0/8.';

/** Who made a connection, by its ports alone; undefined where both or neither may be a service's. */
export function sideByPorts(own: number, other: number): 'asked' | 'answered' | undefined {
  const [client, service] = [own >= EPHEMERAL, other < EPHEMERAL];
  // Such as NTP between servers.
  if (own === other && service && own > 0) return 'asked';
  if (client !== service) return undefined;
  return client ? 'asked' : 'answered';
}

/** Whether a text is the number of a port. */
export function isPort(text: string | undefined): boolean {
  return text !== undefined && /^\d{1,5}$/.test(text) && Number(text) <= 65_535;
}

/** The first of the ports that Linux gives to clients. */
const EPHEMERAL = 32_768;
