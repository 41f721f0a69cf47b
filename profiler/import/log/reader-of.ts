import { ConntrackReader } from './conntrack.ts';
import { EveReader } from './eve.ts';
import type { LogFormat } from './log-format.ts';
import type { LogContext, LogReader } from './log-reader.ts';
import { SsReader } from './ss.ts';
import { TetragonReader } from './tetragon.ts';
import { VpcFlowReader } from './vpc-flow.ts';
import { ZeekReader } from './zeek.ts';

/** A reader for one file. */
export function readerOf(format: LogFormat, context: LogContext): LogReader {
  switch (format) {
    case 'zeek':
      return new ZeekReader(context);
    case 'vpc-flow':
      return new VpcFlowReader(context);
    case 'eve':
      return new EveReader(context);
    case 'tetragon':
      return new TetragonReader();
    case 'conntrack':
      return new ConntrackReader(context);
    case 'ss':
      return new SsReader(context);
  }
}
