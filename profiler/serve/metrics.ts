import { LOSS_KINDS } from '../event/dimension.ts';
import type { LiveStatus, MemoryBounds, OutputLoss } from './live-status.ts';

/** Content type of the text below. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * What a recorder reports about itself, in the text format of Prometheus. Counters begin at 0 with each
 * recording.
 */
export function metricsText(status: LiveStatus): string {
  const {
    events,
    intents,
    sockets,
    processes,
    containers,
    lost,
    pending,
    capacity,
    memory,
    recording,
    startedAt,
    watch,
    output,
    bounds,
  } = status;
  const lines = [
    ...metric('connections_total', 'counter', 'Connections recorded.', events - intents - sockets),
    ...metric('intents_total', 'counter', 'UDP connects recorded, which send nothing.', intents),
    ...metric('sockets_total', 'counter', 'Openings of raw, packet and other sockets recorded.', sockets),
    ...metric('processes_total', 'counter', 'Process images that made a connection.', processes),
    ...metric('containers_total', 'counter', 'Containers that made a connection.', containers),
    '# HELP bouheki_lost_total What the record is known to lack, by kind.',
    '# TYPE bouheki_lost_total counter',
    ...LOSS_KINDS.map((kind) => `bouheki_lost_total{kind="${kind}"} ${lost[kind]}`),
    ...metric('ring_pending_bytes', 'gauge', 'Bytes that wait in the rings of the kernel side.', pending),
    ...metric('ring_capacity_bytes', 'gauge', 'Bytes that fit into these rings.', capacity),
    ...(watch?.stoppedPackets === undefined
      ? []
      : metric(
          'backstop_packets_total',
          'counter',
          'Packets that the backstop dropped.',
          watch.stoppedPackets,
        )),
    ...(watch === undefined
      ? []
      : metric(
          'kernel_asks',
          'gauge',
          'Whether the kernel asks the programs: 0 means that nothing is judged or recorded.',
          watch.unasked === undefined ? 1 : 0,
        )),
    ...(output === undefined ? [] : outputLines(output)),
    ...metric(
      'unlisted_cgroups',
      'gauge',
      'Cgroups that users have made and that found no room, at the least.',
      watch?.unlistedCgroups ?? 0,
    ),
    ...metric('memory_bytes', 'gauge', 'Resident memory of the recorder.', memory),
    ...(bounds === undefined ? [] : boundLines(bounds)),
    ...metric('recording', 'gauge', 'Number of the recording being written; 0 when none is.', recording ?? 0),
    ...metric(
      'recording_start_seconds',
      'gauge',
      'When it started, seconds since the epoch.',
      startedAt / 1e6,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

function boundLines({ cgroupLimit, heap, heapLimit, oomScoreAdjust }: MemoryBounds): string[] {
  return [
    ...metric('heap_bytes', 'gauge', 'Memory that its own objects take.', heap),
    ...metric('heap_limit_bytes', 'gauge', 'What they can take at most.', heapLimit),
    ...(cgroupLimit === undefined
      ? []
      : metric('memory_limit_bytes', 'gauge', 'What its cgroups allow all their processes.', cgroupLimit)),
    ...metric(
      'oom_score_adj',
      'gauge',
      '-1000: the kernel never ends it when memory runs out.',
      oomScoreAdjust,
    ),
  ];
}

function outputLines({ messages, lines }: OutputLoss): string[] {
  return [
    ...metric('messages_dropped_total', 'counter', 'Messages that could not be written.', messages),
    ...(lines === undefined
      ? []
      : metric('log_lines_dropped_total', 'counter', 'Lines of the log that could not be written.', lines)),
  ];
}

function metric(name: string, type: 'counter' | 'gauge', help: string, value: number): string[] {
  const full = `bouheki_${name}`;
  return [`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`, `${full} ${value}`];
}
