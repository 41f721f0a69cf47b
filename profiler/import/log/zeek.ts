import { parseTime } from '../../event/time.ts';
import { JsonObject } from './json-line.ts';
import {
  type Cells,
  type Finding,
  type LogContext,
  type LogReader,
  type LogRow,
  NAME_LOCAL,
  NO_PROCESS,
} from './log-reader.ts';

/** One record of any of Zeek's logs, by the names of its fields. */
interface Entry {
  /** Undefined where the field is unset or not there. */
  text(name: string): string | undefined;
  list(name: string): string[];
  /** The name of the log, where it is told. */
  log: string | undefined;
}

/** What the lines with # at the head of a log say of those below. */
interface Head {
  separator: string;
  setSeparator: string;
  unset: string;
  empty: string;
  path?: string;
  /** Where each field is. */
  fields?: ReadonlyMap<string, number>;
}

const HEAD: Head = { separator: '\t', setSeparator: ',', unset: '-', empty: '(empty)' };

/** Names that anybody in the same network can answer: mDNS, LLMNR and NetBIOS. */
const NEIGHBOURLY = new Set(['5353', '5355', '137']);

/**
 * Zeek's conn.log and dns.log, as text with tabs or as JSON, also both in one stream. A connection belongs to the host
 * that began it (`id.orig_h`), and is named by what that host had asked for before.
 */
export class ZeekReader implements LogReader {
  readonly #context: LogContext;
  #head = HEAD;

  constructor(context: LogContext) {
    this.#context = context;
  }

  read(text: string, line: number): LogRow[] {
    if (text.startsWith('#')) {
      this.#head = readHead(text, this.#head);
      return [];
    }
    const entry = text.startsWith('{') ? jsonEntry(text) : tabEntry(text, this.#head);
    if (typeof entry === 'string') return [{ line, problem: entry }];
    return [{ line, ...this.#row(entry) }];
  }

  end(): LogRow[] {
    return [];
  }

  #row(entry: Entry): Finding {
    if (isAnswer(entry)) return this.#answer(entry);
    const isConnection = entry.log === undefined || /^conn(?:$|_)/.test(entry.log);
    if (!isConnection || entry.text('proto') === undefined) return { passed: 'lines of other logs of Zeek' };
    if (Number(entry.text('duration') ?? 0) < 0) return { problem: 'duration: it is negative' };
    const client = this.#context.local.of(entry.text('id.orig_h') ?? '');
    if (client === undefined) return { problem: 'id.orig_h: it is no IP address' };
    const local = this.#context.local.known ? client.local : truth(entry.text('local_orig'));
    if (local === undefined)
      return { undecided: 'local_orig does not say whether the client is local', remedy: NAME_LOCAL };
    if (!local) return { passed: 'connections that came in' };
    return this.#connection(entry, client.text);
  }

  #connection(entry: Entry, host: string): Finding {
    const { answers, local } = this.#context;
    const told = entry.text('id.resp_h') ?? '';
    const address = local.of(told)?.text ?? told;
    const proto = entry.text('proto')!;
    if (proto === 'unknown_transport')
      return { passed: 'connections of a transport that Zeek does not know' };
    const echo = proto === 'icmp';
    const ts = timeText(entry.text('ts'));
    const cells: Cells = {
      ...NO_PROCESS,
      ts,
      host,
      addr: address,
      protocol: echo && address.includes(':') ? 'icmpv6' : proto,
      // Of ICMP, Zeek has the code there.
      port: echo ? '' : entry.text('id.resp_p'),
      ...answers.cells(host, address, parseTime(ts)),
    };
    return { cells };
  }

  #answer(entry: Entry): Finding {
    const { answers, local } = this.#context;
    const [name, time] = [entry.text('query'), parseTime(timeText(entry.text('ts')))];
    const client = local.of(entry.text('id.orig_h') ?? '');
    if (time === undefined) return { problem: 'ts: it is no time' };
    if (client === undefined) return { problem: 'id.orig_h: it is no IP address' };
    const passed = { passed: 'look-ups of names' };
    if (name === undefined || NEIGHBOURLY.has(entry.text('id.resp_p') ?? '')) return passed;
    const late = Math.max(0, Number(entry.text('rtt') ?? 0)) * 1_000_000;
    const ttls = entry.list('TTLs').map(Number);
    for (const [at, answer] of entry.list('answers').entries()) {
      const address = local.of(answer)?.text;
      if (address === undefined) continue;
      const ttl = Math.max(0, ttls[at] ?? 0) || 0;
      answers.add({ client: client.text, address, name, time: time + late, ttl });
    }
    return passed;
  }
}

/** Whether a file begins as a dns.log: it is read before those with connections. */
export function isZeekAnswers(head: string): boolean {
  const first = head.split('\n').find((line) => line.startsWith('#fields') || line.startsWith('{'));
  if (first === undefined) return false;
  if (first.startsWith('#')) return isAnswerFields(first.split('\t'));
  return isAnswerFields(JsonObject.parse(first)?.keys() ?? []);
}

function isAnswerFields(fields: readonly string[]): boolean {
  return fields.includes('qtype_name') || (fields.includes('query') && fields.includes('answers'));
}

function isAnswer(entry: Entry): boolean {
  return entry.log === undefined
    ? ['query', 'qtype_name', 'answers'].some((name) => entry.text(name) !== undefined)
    : /^dns(?:$|_)/.test(entry.log);
}

function readHead(text: string, before: Head): Head {
  const separator = /^#separator (.+)$/.exec(text)?.[1];
  if (separator !== undefined) return { ...HEAD, separator: unescaped(separator) };
  const [key, ...values] = text.split(before.separator);
  const value = values[0] ?? '';
  switch (key) {
    case '#set_separator':
      return { ...before, setSeparator: value };
    case '#unset_field':
      return { ...before, unset: value };
    case '#empty_field':
      return { ...before, empty: value };
    case '#path':
      return { ...before, path: value };
    case '#fields':
      return { ...before, fields: new Map(values.map((name, at) => [name, at])) };
    default:
      return before;
  }
}

/** The record of a line of text, or why it is none. */
function tabEntry(
  line: string,
  { empty, fields, path, separator, setSeparator, unset }: Head,
): Entry | string {
  if (fields === undefined) return 'no line with #fields comes before this one';
  const values = line.split(separator);
  if (values.length !== fields.size) return `${values.length} fields, but #fields names ${fields.size}`;
  const raw = (name: string): string | undefined => {
    const value = values[fields.get(name) ?? -1];
    return value === unset || value === empty ? undefined : value;
  };
  return {
    log: path,
    text: (name) => {
      const value = raw(name);
      return value === undefined ? undefined : unescaped(value);
    },
    list: (name) => raw(name)?.split(setSeparator).map(unescaped) ?? [],
  };
}

function jsonEntry(line: string): Entry | string {
  const object = JsonObject.parse(line);
  if (object === undefined) return 'the line is no JSON object';
  return {
    log: object.text('_path'),
    text: (name) => object.text(name) ?? (object.has(name) && object.list(name).length > 0 ? '' : undefined),
    list: (name) => object.list(name).map(String),
  };
}

/** In text logs, `\x2c` is a comma that separates nothing. */
function unescaped(text: string): string {
  return text.includes('\\x')
    ? text.replace(/\\x([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(parseInt(code, 16)))
    : text;
}

function truth(text: string | undefined): boolean | undefined {
  if (text === 'T' || text === 'true') return true;
  return text === 'F' || text === 'false' ? false : undefined;
}

/** Zeek writes JSON with seconds, milliseconds or dates, as it is told. */
function timeText(text = ''): string {
  return /^\d{13}$/.test(text) ? `${text.slice(0, 10)}.${text.slice(10)}` : text;
}
