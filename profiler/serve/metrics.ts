import { connectionsOf } from '../../format/connection-count.ts';
import { LOSS_KINDS } from '../event/dimension.ts';
import type {
  EnforcementStatus,
  FleetStatus,
  LiveStatus,
  MemoryBounds,
  NameStatus,
  OutputLoss,
  Watch,
} from './live-status.ts';

/** Content type of the text below. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * What a recorder reports about itself, in the text format of Prometheus. Counters begin at 0 with each
 * recording.
 */
export function metricsText(status: LiveStatus): string {
  const {
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
    enforcement,
    fleet,
    names,
    version,
  } = status;
  const lines = [
    ...(version === undefined
      ? []
      : info('build_info', 'What runs.', { version, node: process.versions.node })),
    ...metric('connections_total', 'counter', 'Connections recorded.', connectionsOf(status)),
    ...metric('intents_total', 'counter', 'UDP connects recorded, which send nothing.', intents),
    ...metric('sockets_total', 'counter', 'Openings of raw, packet and other sockets recorded.', sockets),
    ...metric('processes_total', 'counter', 'Process images that made a connection.', processes),
    ...metric('containers_total', 'counter', 'Containers that made a connection.', containers),
    '# HELP bouheki_lost_total What the record is known to lack, by kind.',
    '# TYPE bouheki_lost_total counter',
    ...LOSS_KINDS.map((kind) => `bouheki_lost_total{kind="${kind}"} ${lost[kind]}`),
    ...(enforcement === undefined ? [] : enforcementLines(enforcement)),
    ...(fleet === undefined ? [] : fleetLines(fleet)),
    ...knownLines(status),
    ...metric('ring_pending_bytes', 'gauge', 'Bytes that wait in the rings of the kernel side.', pending),
    ...metric('ring_capacity_bytes', 'gauge', 'Bytes that fit into these rings.', capacity),
    ...(watch === undefined ? [] : watchLines(watch)),
    ...(names === undefined ? [] : nameLines(names)),
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

/** How much is in the record, and how well its subjects are known. */
function knownLines({ database, subjects }: LiveStatus): string[] {
  const lines: string[] = [];
  if (subjects !== undefined) {
    lines.push(
      '# HELP bouheki_subjects Subjects by how well they are known, at the last look.',
      '# TYPE bouheki_subjects gauge',
      ...Object.entries(subjects).map(([state, count]) => `bouheki_subjects{state="${state}"} ${count}`),
    );
  }
  if (database !== undefined) {
    lines.push(
      ...metric('database_bytes', 'gauge', 'Size of the database.', database.bytes),
      ...metric('database_log_bytes', 'gauge', 'Size of its log.', database.log),
    );
  }
  return lines;
}

function watchLines({ secondJudge, stoppedPackets, unasked }: Watch): string[] {
  return [
    ...(secondJudge === undefined
      ? []
      : metric(
          'second_judge',
          'gauge',
          'Whether a second judge is attached where the kernel can leave out the first.',
          secondJudge ? 1 : 0,
        )),
    ...(stoppedPackets === undefined
      ? []
      : metric('backstop_packets_total', 'counter', 'Packets that the backstop dropped.', stoppedPackets)),
    ...metric(
      'kernel_asks',
      'gauge',
      'Whether the kernel asks the programs: 0 means that nothing is judged or recorded.',
      unasked === undefined ? 1 : 0,
    ),
  ];
}

function nameLines({ impostors, known, patterns, room, withoutRoom, ...refused }: NameStatus): string[] {
  return [
    ...metric('known_addresses', 'gauge', 'Addresses known by names of the policy in force.', known),
    ...metric('known_addresses_room', 'gauge', 'How many there can be.', room),
    ...metric('policy_names', 'gauge', 'Names and wildcards of the policy in force.', patterns),
    ...metric('names_without_room_total', 'counter', 'Names that found no room.', withoutRoom),
    ...metric(
      'impostor_packets_total',
      'counter',
      'Packets sent as from a resolver of this host.',
      impostors,
    ),
    '# HELP bouheki_answers_not_believed_total Answers that do not count, by the reason.',
    '# TYPE bouheki_answers_not_believed_total counter',
    ...Object.entries(refused).map(
      ([reason, count]) => `bouheki_answers_not_believed_total{reason="${reason}"} ${count}`,
    ),
  ];
}

function enforcementLines(status: EnforcementStatus): string[] {
  const {
    confirmBy = 0,
    denied,
    generation,
    loadedAt,
    mode,
    policyHash,
    reloadFailed,
    wouldBeDenied,
  } = status;
  const failed = reloadFailed ? 0 : 1;
  const isMixed = status.modes?.some((entry) => entry.mode !== mode) === true;
  return [
    ...metric('denied_total', 'counter', 'Attempts that were denied.', denied),
    ...metric('would_be_denied_total', 'counter', 'Attempts that block mode would deny.', wouldBeDenied),
    ...info('policy_info', 'The policy in force.', { digest: policyHash, mode: isMixed ? 'mixed' : mode }),
    ...metric('breaker_opened', 'gauge', 'Subjects that the breaker has opened.', status.opened?.length ?? 0),
    ...shadowLines(status),
    ...metric('policy_generation', 'gauge', 'How many times a policy was put in force.', generation),
    ...metric(
      'policy_loaded_seconds',
      'gauge',
      'When this one was, seconds since the epoch.',
      loadedAt / 1e6,
    ),
    ...metric(
      'policy_confirm_by_seconds',
      'gauge',
      'When it goes out of force unless it is confirmed, seconds since the epoch; 0 where it need not be.',
      confirmBy / 1e6,
    ),
    ...metric(
      'policy_next_end_seconds',
      'gauge',
      'When the next of its rules ends by itself, seconds since the epoch; 0 where none does any more.',
      (status.ends?.find(({ until }) => until > Date.now() * 1000)?.until ?? 0) / 1e6,
    ),
    ...metric(
      'policy_last_reload_successful',
      'gauge',
      '0: its file could not be read again, and it stays in force.',
      failed,
    ),
  ];
}

function fleetLines(fleet: FleetStatus): string[] {
  const { acknowledged, certificateEnds, connected, policy, unsentRows } = fleet;
  return [
    ...metric('fleet_connected', 'gauge', 'Whether a hub answers.', connected ? 1 : 0),
    ...metric(
      'fleet_acknowledged_seconds',
      'gauge',
      'What was recorded until then a hub has, seconds since the epoch; 0: nothing yet.',
      acknowledged / 1e6,
    ),
    ...metric('fleet_unsent_rows', 'gauge', 'Rows of evidence that wait to be sent.', unsentRows),
    ...metric(
      'fleet_certificate_end_seconds',
      'gauge',
      'When the certificate of this host ends, seconds since the epoch; 0: not known yet.',
      certificateEnds / 1e6,
    ),
    ...metric(
      'fleet_policy_revision',
      'gauge',
      'Revision of the policy of the fleet that is in force; 0: none is.',
      policy?.revision ?? 0,
    ),
    ...metric(
      'fleet_policy_stale',
      'gauge',
      'Whether the time is over for which its authors signed it.',
      policy?.stale === true ? 1 : 0,
    ),
  ];
}

function shadowLines({ shadow }: EnforcementStatus): string[] {
  if (shadow === undefined) return [];
  const { allows, denies, judged } = shadow;
  return [
    ...metric('shadow_judged', 'gauge', 'Connections that the shadow policy has judged.', judged),
    ...metric('shadow_would_deny', 'gauge', 'Of these: allowed, and it would deny them.', denies),
    ...metric('shadow_would_allow', 'gauge', 'Of these: denied, and it would allow them.', allows),
  ];
}

/** A fact that is text: labels of a metric that is always 1. The text is our own and needs no escapes. */
function info(name: string, help: string, labels: Readonly<Record<string, string>>): string[] {
  const list = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const full = `bouheki_${name}`;
  return [`# HELP ${full} ${help}`, `# TYPE ${full} gauge`, `${full}{${list.join(',')}} 1`];
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
