import {
  type Finding,
  type LogContext,
  type LogReader,
  type LogRow,
  NAME_LOCAL,
  NO_PROCESS,
} from './log-reader.ts';

/** Connections of which the beginning was seen. */
const REMEMBERED = 131_072;

/** `[time] [NEW] ipv4 2 tcp 6 120 SYN_SENT src=...`; of other events the timeout or the state may be missing. */
const EVENT =
  /^\s*(?:\[(\d+(?:\.\d+)?)\s*\]\s*)?\[(NEW|UPDATE|DESTROY)\]\s+(?:ipv[46]\s+\d+\s+)?\S+\s+(\d+)\s(.*)$/;

/**
 * What `conntrack -E -o timestamp` writes. The first direction of a connection is that of who began it, with the
 * destination as it was before any translation. What was open already when it was started has no NEW: it counts at its
 * first event.
 */
export class ConntrackReader implements LogReader {
  readonly #context: LogContext;

  constructor(context: LogContext) {
    this.#context = context;
  }

  read(text: string, line: number): LogRow[] {
    const event = EVENT.exec(text);
    if (event === null)
      return [{ line, problem: 'no event such as [NEW], with the protocol and its number' }];
    return [{ line, ...this.#row(event) }];
  }

  end(): LogRow[] {
    return [];
  }

  #row([, ts, kind, protocol, rest]: string[]): Finding {
    const value = (key: string): string | undefined => new RegExp(`(?:^|\\s)${key}=(\\S+)`).exec(rest!)?.[1];
    const [src, dst, port] = [value('src'), value('dst'), value('dport')];
    if (src === undefined || dst === undefined) return { problem: 'src= or dst= is missing' };
    if (ts === undefined)
      return { undecided: 'no event has a time', remedy: 'Write them with `conntrack -E -o timestamp`.' };
    if (this.#isAgain(kind!, [protocol, src, dst, value('sport') ?? value('id'), port].join(' ')))
      return { passed: 'later events of connections' };
    const { local } = this.#context;
    const source = local.of(src);
    if (source === undefined) return { problem: 'src: it is no IP address' };
    if (!local.known)
      return { undecided: 'conntrack does not say which addresses are local', remedy: NAME_LOCAL };
    if (!source.local) return { passed: 'connections that came in' };
    return {
      cells: { ...NO_PROCESS, ts, host: source.text, addr: local.of(dst)?.text ?? dst, port, protocol },
    };
  }

  /** A tuple is used again when its connection has ended. */
  #isAgain(kind: string, tuple: string): boolean {
    const { begun } = this.#context;
    const known = begun.has(tuple);
    if (kind === 'DESTROY') begun.delete(tuple);
    else {
      if (begun.size >= REMEMBERED) begun.clear();
      begun.add(tuple);
    }
    return kind !== 'NEW' && known;
  }
}
