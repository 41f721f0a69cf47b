import {
  type Cells,
  type Finding,
  type LogContext,
  type LogReader,
  type LogRow,
  isPort,
  NAME_LOCAL,
  NO_PROCESS,
  sideByPorts,
} from './log-reader.ts';

/** The fields of version 2, which a log without a first line of names has. */
const DEFAULT = [
  'version',
  'account-id',
  'interface-id',
  'srcaddr',
  'dstaddr',
  'srcport',
  'dstport',
  'protocol',
  'packets',
  'bytes',
  'start',
  'end',
  'action',
  'log-status',
];

/** Without these a flow can't be read. */
const REQUIRED = ['srcaddr', 'dstaddr', 'srcport', 'dstport', 'protocol', 'start', 'action'];

const SYN = 2;
const SYN_ACK = 18;

/** Not there: nothing was recorded in that time, or AWS lost what was. */
const EMPTY = new Map([
  ['NODATA', 'times without flows'],
  ['SKIPDATA', 'times of which AWS recorded not all flows (SKIPDATA)'],
]);

const ANSWERS = 'answers to connections that came in';

type Flow = (name: string) => string | undefined;

/** Whether these are the names of the fields of a log, in any order and choice. */
export function isVpcHeader(words: readonly string[]): boolean {
  return words.includes('srcaddr') && words.includes('dstaddr');
}

/**
 * Flow logs of Amazon VPC: lines of fields with spaces between, the default ones or those that the first line names. A
 * flow goes one way, and answers are flows too: what the flags of TCP do not tell, the ports do.
 */
export class VpcFlowReader implements LogReader {
  readonly #context: LogContext;
  #fields: ReadonlyMap<string, number> = indexOf(DEFAULT);

  constructor(context: LogContext) {
    this.#context = context;
  }

  read(text: string, line: number): LogRow[] {
    const words = text.trim().split(/ +/);
    if (isVpcHeader(words)) {
      this.#fields = indexOf(words);
      const missing = REQUIRED.find((name) => !this.#fields.has(name));
      if (missing === undefined) return [];
      const undecided = `the field ${missing} is not in the log`;
      return [{ line, undecided, remedy: `Flows can't be read without ${REQUIRED.join(', ')}.` }];
    }
    if (words.length !== this.#fields.size) {
      const problem = `${words.length} fields, but ${this.#fields.size} are expected`;
      return [{ line, problem }];
    }
    const flow: Flow = (name) => {
      const value = words[this.#fields.get(name) ?? -1];
      return value === '-' ? undefined : value;
    };
    return [{ line, ...this.#row(flow) }];
  }

  end(): LogRow[] {
    return [];
  }

  #row(flow: Flow): Finding {
    const empty = EMPTY.get(flow('log-status') ?? '');
    if (empty !== undefined) return { passed: empty };
    const [start, end] = [Number(flow('start')), Number(flow('end') ?? flow('start'))];
    if (end < start) return { problem: 'end: it is before start' };
    const action = flow('action');
    if (action !== 'ACCEPT' && action !== 'REJECT')
      return { problem: 'action: it is neither ACCEPT nor REJECT' };
    return this.#refusal(flow) ?? { cells: this.#cells(flow, action === 'REJECT') };
  }

  /** Why a flow is no connection that was made from here. */
  #refusal(flow: Flow): Finding | undefined {
    const source = this.#context.local.of(flow('srcaddr') ?? '');
    if (source === undefined) return { problem: 'srcaddr: it is no IP address' };
    const direction = flow('flow-direction');
    if (this.#context.local.known ? !source.local : direction === 'ingress')
      return { passed: 'flows that came in' };
    // Between two local interfaces both report the flow.
    if (direction === 'ingress') return { passed: 'flows that came in' };
    if (!this.#context.local.known && direction === undefined)
      return { undecided: 'no field says which way a flow goes', remedy: NAME_LOCAL };
    const odd = ['srcport', 'dstport'].find((name) => !isPort(flow(name)));
    if (odd !== undefined) return { problem: `${odd}: it is no number from 0 to 65535` };
    const side = sideOf(flow);
    if (side === 'answered') return { passed: ANSWERS };
    return side === undefined
      ? { passed: 'flows that may be answers: neither flags nor ports tell' }
      : undefined;
  }

  #cells(flow: Flow, rejected: boolean): Cells {
    const host = flow('instance-id') ?? flow('interface-id') ?? flow('srcaddr')!;
    const told = flow('pkt-dstaddr') ?? flow('dstaddr') ?? '';
    return {
      ...NO_PROCESS,
      ts: flow('start'),
      host,
      addr: this.#context.local.of(told)?.text ?? told,
      port: flow('dstport'),
      protocol: flow('protocol'),
      verdict: rejected ? 'deny' : 'allow',
    };
  }
}

function indexOf(fields: readonly string[]): Map<string, number> {
  return new Map(fields.map((name, at) => [name, at]));
}

/** Whether the source began. A flow of ICMP, which has no ports, may be either. */
function sideOf(flow: Flow): ReturnType<typeof sideByPorts> {
  const flags = Number(flow('tcp-flags') ?? 0);
  if ((flags & SYN_ACK) === SYN_ACK) return 'answered';
  if ((flags & SYN) === SYN) return 'asked';
  return sideByPorts(Number(flow('srcport')), Number(flow('dstport')));
}
