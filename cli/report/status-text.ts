import { visible } from '../../error/visible.ts';
import type { About } from '../../bpf/pin/about.ts';
import { policyOf } from '../../bpf/pin/kept.ts';
import type { Discovery } from '../../generator/discovery.ts';
import type {
  EnforcementStatus,
  FleetStatus,
  LiveStatus,
  MemoryBounds,
  NameStatus,
  OutputLoss,
  Watch,
} from '../../profiler/serve/live-status.ts';
import { describeUnrecorded } from '../../generator/subject/window.ts';
import type { Gap } from '../../profiler/read/stretch.ts';
import { isEventLoss, type Extent, type Loss, type RecordingSummary } from '../../profiler/read/read.ts';
import { connectionsOf, describeApart } from '../../format/connection-count.ts';
import { formatDuration } from '../../format/duration.ts';
import { formatStep } from '../../format/clock-step.ts';
import { formatMoment } from '../../format/moment.ts';
import { formatCount, formatDecimal, formatNumber } from '../../format/number.ts';
import { formatSize } from '../../format/size.ts';
import { discoveryText } from './discovery-text.ts';
import { blocksSome, describeModes, monitorsSome } from '../../policy/meaning/mode.ts';
import { formatTable } from '../terminal/table.ts';
import { PLAIN_VIEW, type View } from '../terminal/view.ts';

/** Everything that status reports. Sizes in bytes, times in microseconds since the epoch. */
export interface Status {
  database: { path: string; bytes: number; log: number };
  extent: Extent;
  /** The recorder that runs; absent when none does. */
  recorder?: LiveStatus;
  /** What the kernel alone enforces. */
  kept?: readonly About[];
  recordings: RecordingSummary[];
  /** The times between recordings. */
  gaps: readonly Gap[];
  losses: Loss[];
  /** What is known of what each subject does. */
  readiness: Discovery;
}

/** Recordings that are listed; the rest is counted. */
const LISTED = 20;
/** ENDED, then HOST, then STARTED go where a terminal has no room for them. */
const OPTIONAL = [5, 1, 4];

/**
 * A status for people. `now` in microseconds since the epoch; `draw`: curves as pictures rather than numbers.
 */
export function statusText(status: Status, now: number, draw: boolean, view: View = PLAIN_VIEW): string {
  const { database, extent, recorder, recordings } = status;
  const facts = [
    ['Database', `${database.path}, ${formatSize(database.bytes)}, log ${formatSize(database.log)}`],
    ['Record', recordLine(status)],
    ['Subjects', formatNumber(extent.subjects)],
    ...namesLine(status),
    ...(recorder === undefined ? [['Recorder', 'none runs']] : recorderLines(recorder, now)),
    ...(status.kept ?? []).map((about) => ['Kept', keptText(about)]),
  ];
  const lines = formatTable(facts[0]!, facts.slice(1), { headless: true });
  const listed = recordings.slice(-LISTED);
  if (listed.length > 0) {
    const hidden = recordings.length - listed.length;
    lines.push('', hidden === 0 ? 'Recordings:' : `The last ${LISTED} of ${recordings.length} recordings:`);
    lines.push(
      ...recordingTable(listed, status.losses, view),
      ...listed.flatMap(unnamedLine),
      ...listed.flatMap(clockLine),
    );
  }
  const readiness = discoveryText(status.readiness, draw, view);
  if (readiness.length > 0) lines.push('', ...describeUnrecorded(status.gaps), ...readiness);
  return `${lines.join('\n')}\n`;
}

function recordLine({ extent }: Status): string {
  const { events, hourly, first, last } = extent;
  if (first === undefined || last === undefined) return 'empty';
  const rows = `${formatCount(events, 'single event')}, ${formatCount(hourly, 'hourly row')}`;
  return `${rows}, ${formatMoment(first)} to ${formatMoment(last)}`;
}

/** How many connections have a name; nothing where there are none, as in records of before. */
function namesLine({ extent: { named }, losses }: Status): string[][] {
  const lost = losses.filter(({ kind }) => kind === 'answer').reduce((sum, { count }) => sum + count, 0);
  if (named === 0 && lost === 0) return [];
  const missing = lost === 0 ? '' : `; ${formatNumber(lost)} answers of resolvers were not read`;
  return [['Names', `${formatNumber(named)} connections to an address with a name${missing}`]];
}

function recorderLines(live: LiveStatus, now: number): string[][] {
  const lost = Object.entries(live.lost).filter(([, count]) => count > 0);
  const losses =
    lost.length === 0 ? 'none' : lost.map(([kind, count]) => `${formatNumber(count)} ${kind}`).join(', ');
  const full = live.capacity === 0 ? 0 : Math.round((live.pending / live.capacity) * 100);
  const recording =
    live.recording === undefined
      ? live.startedAt === 0
        ? 'not recording yet'
        : 'recording has stopped'
      : `recording ${live.recording} for ${formatDuration((live.passed ?? Math.max(0, now - live.startedAt)) / 1e6)}`;
  return [
    [
      'Recorder',
      `process ${live.pid}, ${recording}, ${formatSize(live.memory)} of memory, rings ${full} % full`,
    ],
    ['Rate', `${rate(live.rate)} events/s, ${rate(live.rateMinute)} over the last minute`],
    ['Recorded', `${formatCount(connectionsOf(live), 'connection')}. ${describeApart(live)}`.trimEnd()],
    ['Lost', losses],
    ...(live.bounds === undefined ? [] : [['Memory', boundsText(live.memory, live.bounds)]]),
    ...(live.enforcement === undefined
      ? []
      : [
          ['Policy', enforcementText(live.enforcement)],
          ...endLines(live.enforcement, now),
          ...shadowLines(live.enforcement),
        ]),
    ...(live.fleet === undefined ? [] : [['Fleet', fleetText(live.fleet)]]),
    ...(live.watch === undefined ? [] : watchLines(live.watch)),
    ...(live.names === undefined ? [] : knownLines(live.names)),
    ...(live.output === undefined ? [] : outputLines(live.output)),
  ];
}

function enforcementText(status: EnforcementStatus): string {
  const { confirmBy, denied, loadedAt, pauses, policyHash, reloadFailed, wouldBeDenied } = status;
  const parts = [
    `${blocksSome(status) ? 'blocking' : 'monitoring'} by ${policyHash} since ${formatMoment(loadedAt)}`,
    ...(status.modes === undefined ? [] : [visible(describeModes(status))]),
    ...(confirmBy === undefined
      ? []
      : [
          pauses === undefined
            ? `out of force at ${formatMoment(confirmBy)} unless \`bouheki confirm\` comes before`
            : `paused for ${visible(pauses)} until ${formatMoment(confirmBy)}`,
        ]),
    ...(status.opened === undefined ? [] : [`opened by the breaker: ${visible(status.opened.join('; '))}`]),
    ...(status.guarded ? ['guarded by a key'] : []),
    ...(reloadFailed ? ['its file could not be read again'] : []),
    ...(denied > 0 || blocksSome(status) ? [`${formatNumber(denied)} denied`] : []),
    ...(wouldBeDenied > 0 || monitorsSome(status) ? [`${formatNumber(wouldBeDenied)} would be denied`] : []),
  ];
  return parts.join(', ');
}

function fleetText({ acknowledged, connected, hub, policy, unsentRows }: FleetStatus): string {
  const named = hub === '' ? 'no hub answers' : `the hub ${visible(hub)} does not answer`;
  const parts = [
    connected ? `the hub ${visible(hub)} answers` : named,
    acknowledged === 0
      ? 'none has what was recorded'
      : `it has what was recorded until ${formatMoment(acknowledged)}`,
    ...(unsentRows === 0 ? [] : [`${formatCount(unsentRows, 'row')} not sent`]),
    ...(policy === undefined ? [] : [fleetPolicyText(policy)]),
  ];
  return parts.join(', ');
}

function fleetPolicyText({ mode, revision, stale, workload }: NonNullable<FleetStatus['policy']>): string {
  const text = `revision ${revision} of ${visible(workload)} in ${mode} mode`;
  return stale ? `${text}, whose time is over` : text;
}

/** Rules that are named of those that end, and of those that have ended. */
const ENDS_SHOWN = 3;

/** The rules that end by themselves: the next to end, and those that have ended. */
function endLines({ ends = [] }: EnforcementStatus, now: number): string[][] {
  const ended = ends.filter(({ until }) => until <= now).toReversed();
  const left = ends.filter(({ until }) => until > now);
  const text = (rules: typeof ends): string => {
    const more = rules.length > ENDS_SHOWN ? ` and ${rules.length - ENDS_SHOWN} more` : '';
    const names = rules
      .slice(0, ENDS_SHOWN)
      .map(({ rule, until }) => `${visible(rule)} at ${formatMoment(until)}`);
    return `${names.join(', ')}${more}`;
  };
  return [
    ...(left.length === 0 ? [] : [['Rules end', text(left)]]),
    ...(ended.length === 0 ? [] : [['Rules ended', text(ended)]]),
  ];
}

/** Subjects that a line names. */
const SUBJECTS_SHOWN = 3;

/** How a candidate differs from what is in force. */
function shadowLines({ shadow }: EnforcementStatus): string[][] {
  if (shadow === undefined) return [];
  const { allows, denies, file, judged, policyHash, since, subjects, unknown } = shadow;
  const rest = unknown === 0 ? '' : `; ${formatNumber(unknown)} of unknown processes`;
  const counts =
    `it would deny ${formatNumber(denies)} of ${formatCount(judged, 'connection')} that are allowed, ` +
    `and allow ${formatNumber(allows)} that are denied${rest}`;
  const named = subjects.slice(0, SUBJECTS_SHOWN).map((each) => {
    const parts = [
      ...(each.denies > 0 ? [`${formatNumber(each.denies)} denied`] : []),
      ...(each.allows > 0 ? [`${formatNumber(each.allows)} allowed`] : []),
    ];
    return `${visible(each.subject)} (${parts.join(', ')})`;
  });
  return [
    ['Shadow', `${visible(file)} (${policyHash}) since ${formatMoment(since)}: ${counts}`],
    ...(named.length === 0 ? [] : [['Differs for', named.join('; ')]]),
  ];
}

function keptText(about: About): string {
  const { file, hash, mode } = policyOf(about);
  const what = mode === 'block' ? 'the kernel alone blocks' : 'nothing is blocked any more';
  return (
    `${what} by ${hash} of ${file}, in force since ${formatMoment(about.since)}` +
    `${about.scope === 'host' ? '' : `, for ${about.scope}`}${about.guarded ? ', guarded by a key' : ''}; ` +
    'nothing is recorded of it. `bouheki enforce` takes over, `bouheki detach` ends it'
  );
}

const SECOND_JUDGE = {
  true: 'attached, as this kernel can leave out programs',
  false: 'missing: what a program would have denied that this kernel leaves out is let through',
};

function watchLines({
  cgroup,
  secondJudge,
  stoppedPackets,
  unasked,
  unlistedCgroups,
  unseen,
}: Watch): string[][] {
  return [
    ...(unasked === undefined
      ? []
      : [['WARNING', `the kernel does not ask the programs (${unasked}): nothing is judged or recorded`]]),
    ...(cgroup === undefined
      ? []
      : [['Watches', `only ${cgroup} and what is below it, and there not ${unseen}`]]),
    ...(stoppedPackets === undefined
      ? []
      : [['Backstop', `${formatNumber(stoppedPackets)} packets dropped`]]),
    ...(secondJudge === undefined ? [] : [['Second judge', SECOND_JUDGE[`${secondJudge}`]]]),
    ...(unlistedCgroups === undefined
      ? []
      : [
          [
            'Cgroups',
            `${formatNumber(unlistedCgroups)} or more of users found no room: denials by cgroup, unit and container hold there, permissions do not`,
          ],
        ]),
  ];
}

/** Why answers did not count: each rule of docs/names.md. */
const NOT_BELIEVED = {
  unasked: 'that nobody asked for',
  foreign: 'in other networks than that of the host, from no resolver that counts there',
  unlisted: 'from no resolver of this host',
  strayed: 'by another way than from that resolver',
  doubted: 'while somebody else spoke as the resolver',
} as const satisfies Partial<Record<keyof NameStatus, string>>;

/** Nothing where neither a policy asks for names nor an answer was refused. */
function knownLines(names: NameStatus): string[][] {
  const { impostors, known, patterns, room, withoutRoom } = names;
  const refused = Object.entries(NOT_BELIEVED).flatMap(([reason, text]) => {
    const count = names[reason as keyof NameStatus];
    return count === 0 ? [] : [`${formatNumber(count)} ${text}`];
  });
  return [
    ...(patterns === 0
      ? []
      : [
          [
            'Known',
            `${formatNumber(known)} addresses by ${formatCount(patterns, 'name')} of the policy, room for ${formatNumber(room)}`,
          ],
        ]),
    ...(withoutRoom === 0
      ? []
      : [['WARNING', `${formatNumber(withoutRoom)} times a name found no room: nothing was allowed by it`]]),
    ...(refused.length === 0 ? [] : [['Not believed', `answers ${refused.join(', ')}`]]),
    ...(impostors === 0
      ? []
      : [
          [
            'Impostors',
            `${formatCount(impostors, 'packet')} of somebody who spoke as a resolver of this host`,
          ],
        ]),
  ];
}

function boundsText(memory: number, { cgroupLimit, heap, heapLimit, oomScoreAdjust }: MemoryBounds): string {
  const oom =
    oomScoreAdjust === -1000
      ? 'never ended by the kernel when memory runs out'
      : `ended by the kernel when memory runs out, with oom_score_adj ${oomScoreAdjust}`;
  const most = cgroupLimit === undefined ? '' : ` of ${formatSize(cgroupLimit)} for its cgroup`;
  return `${formatSize(memory)}${most}, objects ${formatSize(heap)} of ${formatSize(heapLimit)} at most; ${oom}`;
}

/** Nothing while everything could be written. */
function outputLines({ messages, lines = 0, waiting = 0 }: OutputLoss): string[][] {
  const parts = [
    ...(lines > 0 ? [`${formatCount(lines, 'line')} of the log dropped`] : []),
    ...(waiting > 0 ? [`${formatSize(waiting)} of the log not written yet`] : []),
    ...(messages > 0 ? [`${formatCount(messages, 'message')} dropped`] : []),
  ];
  return parts.length === 0 ? [] : [['Output', parts.join(', ')]];
}

function unnamedLine({ id, unnamed }: RecordingSummary): string[] {
  return unnamed === 0 ? [] : [`Recording ${id}: ${formatCount(unnamed, 'container')} without a name.`];
}

function clockLine({ id, clock }: RecordingSummary): string[] {
  if (clock === undefined) return [];
  const times = formatCount(clock.steps, 'time');
  return [
    `Recording ${id}: the clock was set ${times}, ${formatStep(clock.step)} in all; times before and after do not compare.`,
  ];
}

function recordingTable(
  recordings: readonly RecordingSummary[],
  losses: readonly Loss[],
  view: View,
): string[] {
  const rows = recordings.map(
    ({ id, host, command, mode, state, startedAt, endedAt, events, gap }, index) => [
      String(id),
      host || '-',
      mode === undefined ? command : `${command} (${mode})`,
      state +
        (unenforcedAfter(recordings, index) ??
          (gap === undefined ? '' : `, then nothing for ${formatDuration(gap / 1e6)}`)),
      formatMoment(startedAt),
      state === 'running' ? '-' : formatMoment(endedAt),
      formatNumber(events),
      formatNumber(
        losses
          .filter((loss) => loss.recording === id && isEventLoss(loss))
          .reduce((sum, { count }) => sum + count, 0),
      ),
    ],
  );
  return formatTable(['ID', 'HOST', 'COMMAND', 'STATE', 'STARTED', 'ENDED', 'EVENTS', 'LOST'], rows, {
    view,
    names: [0],
    optional: OPTIONAL,
  });
}

function blocks({ command, mode }: RecordingSummary): boolean {
  return command === 'enforce' && mode === 'block';
}

/** Of a run that blocked and was cut short: for how long nothing was enforced after it. */
function unenforcedAfter(recordings: readonly RecordingSummary[], index: number): string | undefined {
  const one = recordings[index]!;
  if (!blocks(one) || one.state !== 'interrupted') return undefined;
  const next = recordings.slice(index + 1).find((other) => blocks(other) && other.host === one.host);
  if (next === undefined) return ', then nothing enforced';
  return `, then nothing enforced for ${formatDuration(Math.max(0, next.startedAt - one.endedAt) / 1e6)}`;
}

function rate(value: number): string {
  return formatDecimal(value, value < 10 ? 1 : 0);
}
