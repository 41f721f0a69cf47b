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

/** Flows whose two halves are still to be told apart. */
const REMEMBERED = 65_536;

const DNS = '53';
const LOOKUPS = 'look-ups of names';

/**
 * Suricata's EVE: events `flow`, `netflow` and `dns`, in any mixture with others. The source of a flow is who began it.
 * Of netflow, which has an event for each way, the first one is.
 */
export class EveReader implements LogReader {
  readonly #context: LogContext;

  constructor(context: LogContext) {
    this.#context = context;
  }

  read(text: string, line: number): LogRow[] {
    const event = JsonObject.parse(text);
    if (event === undefined) return [{ line, problem: 'the line is no JSON object' }];
    const kind = event.text('event_type');
    if (kind === undefined) return [{ line, problem: 'event_type: it is missing' }];
    if (kind === 'dns') return [{ line, ...this.#answer(event) }];
    const about = kind === 'flow' || kind === 'netflow' ? event.object(kind) : undefined;
    if (about === undefined) return [{ line, passed: 'events of other kinds' }];
    return [{ line, ...this.#flow(event, about) }];
  }

  end(): LogRow[] {
    return [];
  }

  #flow(event: JsonObject, about: JsonObject): Finding {
    const { local } = this.#context;
    const start = about.text('start') ?? event.text('timestamp');
    const [began, ended] = [parseTime(start ?? ''), parseTime(about.text('end') ?? '')];
    if (Number(about.text('age') ?? 0) < 0) return { problem: 'age: it is negative' };
    if (began !== undefined && ended !== undefined && ended < began)
      return { problem: 'end: it is before start' };
    if (this.#isAgain(event.text('flow_id'))) return { passed: 'second events of flows' };
    const source = local.of(event.text('src_ip') ?? '');
    if (source === undefined) return { problem: 'src_ip: it is no IP address' };
    if (!local.known) return { undecided: 'EVE does not say which addresses are local', remedy: NAME_LOCAL };
    if (!source.local) return { passed: 'connections that came in' };
    return { cells: this.#cells(event, about, start, source.text) };
  }

  #cells(event: JsonObject, about: JsonObject, ts: string | undefined, host: string): Cells {
    const { answers, local } = this.#context;
    const told = event.text('dest_ip') ?? '';
    const address = local.of(told)?.text ?? told;
    const protocol = protocolOf(event.text('proto') ?? '');
    return {
      ...NO_PROCESS,
      ts,
      host,
      addr: address,
      port: event.text('dest_port'),
      protocol,
      verdict: about.text('action') === 'drop' ? 'deny' : 'allow',
      ...answers.cells(host, address, parseTime(ts ?? '')),
    };
  }

  #isAgain(flow: string | undefined): boolean {
    if (flow === undefined) return false;
    const { begun } = this.#context;
    if (begun.has(flow)) return true;
    if (begun.size >= REMEMBERED) begun.clear();
    begun.add(flow);
    return false;
  }

  #answer(event: JsonObject): Finding {
    const dns = event.object('dns');
    const passed = { passed: LOOKUPS };
    if (dns === undefined || !['answer', 'response'].includes(dns.text('type') ?? '')) return passed;
    const time = parseTime(event.text('timestamp') ?? '');
    if (time === undefined) return { problem: 'timestamp: it is no time' };
    const client = this.#askerOf(event);
    const name = dns.text('rrname') ?? dns.objects('queries')[0]?.text('rrname');
    if (client === undefined || name === undefined) return passed;
    for (const { rdata, ttl } of answersIn(dns)) {
      const address = this.#context.local.of(rdata)?.text;
      if (address !== undefined) this.#context.answers.add({ client, address, name, time, ttl });
    }
    return passed;
  }

  /** Who asked: an event of an answer is written in either direction. */
  #askerOf(event: JsonObject): string | undefined {
    const [ours, theirs] = event.text('src_port') === DNS ? ['dest', 'src'] : ['src', 'dest'];
    if (event.text(`${theirs}_port`) !== DNS) return undefined;
    return this.#context.local.of(event.text(`${ours}_ip`) ?? '')?.text;
  }
}

/**
 * Versions 2 and 3 of the event have all answers in a list (`detailed`) and by type (`grouped`, without a TTL), or one of
 * the two, as it is set up; version 1 has one answer an event.
 */
function answersIn(dns: JsonObject): { rdata: string; ttl: number }[] {
  const listed = dns.objects('answers');
  const grouped = dns.object('grouped');
  if (listed.length === 0 && grouped !== undefined) {
    const addresses = ['A', 'AAAA'].flatMap((type) => grouped.list(type));
    return addresses.map((address) => ({ rdata: String(address), ttl: 0 }));
  }
  return (listed.length > 0 ? listed : [dns]).map((answer) => ({
    rdata: answer.text('rdata') ?? '',
    ttl: Math.max(0, Number(answer.text('ttl') ?? 0)) || 0,
  }));
}

/** Suricata has names of its own for ICMPv6, and `other` numbers in three digits. */
function protocolOf(proto: string): string {
  const text = proto.toLowerCase();
  if (text === 'ipv6-icmp') return 'icmpv6';
  return /^\d+$/.test(text) ? String(Number(text)) : text;
}
