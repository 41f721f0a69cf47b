import { hostname } from 'node:os';
import { UNSEEN_BY_CGROUP } from '../../bpf/probe.ts';
import type { KeptPolicy } from '../../bpf/pin/about.ts';
import type { Past } from '../../profiler/store/store.ts';
import { formatStep } from '../../format/clock-step.ts';
import { formatDuration } from '../../format/duration.ts';
import { renderFailure } from '../../error/failure.ts';
import { formatMoment } from '../../format/moment.ts';
import type { Session, SessionOptions } from '../../daemon/session.ts';
import { blocksSome, monitorsSome } from '../../policy/meaning/mode.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import { formatCount } from '../../format/number.ts';
import { formatSize } from '../../format/size.ts';

/** What both commands that record say about the record when they start, `learn` or with a policy in force. */
export function describeStart(
  session: Session,
  db: string,
  command: 'learn' | 'enforce',
  kept?: KeptPolicy,
): string {
  const lines = session.past.interrupted.map(({ id, endedAt }) => {
    const gap = formatDuration(Math.max(0, session.recording.startedAt - endedAt) / 1e6);
    return `Recording ${id} was interrupted at ${formatMoment(endedAt)}; what it had committed is kept. Not recorded since: ${gap}.`;
  });
  const now = Date.now() * 1000;
  lines.push(...describeUnenforced(session.past, command, { host: hostname(), now, ...(kept && { kept }) }));
  if (session.window?.resumed === true) {
    const { start, end } = session.window;
    lines.push(`Going on with the learning window of ${formatMoment(start)}, until ${formatMoment(end)}.`);
  }
  lines.push(`Recording ${session.recording.id} into ${db}. Ctrl-C ends it.`);
  lines.push(`Backend ${session.backend.name}: ${session.backend.reason}.`);
  if (session.cgroup !== undefined) {
    lines.push(
      `Only sockets made in ${session.cgroup} or below it are watched. Not seen there: ${UNSEEN_BY_CGROUP}.`,
    );
  }
  if (session.unserved !== undefined) {
    lines.push(`Other commands cannot read the record until this one ends: ${session.unserved}.`);
  }
  if (session.metricsPort !== undefined) lines.push(`Metrics are at port ${session.metricsPort}, /metrics.`);
  return `${lines.join('\n')}\n`;
}

/**
 * For how long nothing has been enforced on this host, or by the kernel alone: `kept`. A clean end was intended, so that it is reported only
 * to a user who enforces again; `learn` alone would hide the end of a run that was killed.
 */
export function describeUnenforced(
  { interrupted, lastEnforcement }: Pick<Past, 'interrupted' | 'lastEnforcement'>,
  command: 'learn' | 'enforce',
  { host, kept, now }: { host: string; now: number; kept?: KeptPolicy },
): string[] {
  if (command === 'learn' && kept !== undefined) {
    return [
      `The kernel alone enforces the policy ${kept.hash} of ${kept.file}: what it denies is not recorded. \`bouheki detach\` ends that.`,
    ];
  }
  if (lastEnforcement === undefined || lastEnforcement.host !== host) return [];
  const { recording, endedAt, inOrder } = lastEnforcement;
  const gap = formatDuration(Math.max(0, now - endedAt) / 1e6);
  if (command === 'learn') {
    return interrupted.some(({ id }) => id === recording)
      ? [`Nothing has been enforced for ${gap} either, since recording ${recording}; learn enforces nothing.`]
      : [];
  }
  const how = inOrder ? 'had ended in order' : 'was cut off';
  if (kept !== undefined)
    return [
      `For ${gap} the kernel alone enforced the policy ${kept.hash} of ${kept.file}, and nothing was recorded: the process ${how} at ${formatMoment(endedAt)}.`,
    ];
  return [`Nothing was enforced for ${gap}: enforcement ${how} at ${formatMoment(endedAt)}.`];
}

/** How many attempts were denied in all; what did not happen is said of the modes alone that were in force last. */
export function describeDenials(
  { denied, wouldBeDenied }: { denied: number; wouldBeDenied: number },
  policy: Pick<Policy, 'mode' | 'modes'>,
): string {
  return [
    ...(denied > 0 || blocksSome(policy) ? [`Denied: ${formatCount(denied, 'attempt')}.\n`] : []),
    ...(wouldBeDenied > 0 || monitorsSome(policy)
      ? [`Would have been denied: ${formatCount(wouldBeDenied, 'attempt')}.\n`]
      : []),
  ].join('');
}

/** The message for a terminal that has gone: standard error may lead to another reader. */
export function describeHangUp(what: 'enforcement' | 'learning'): string {
  return `The terminal has gone; ${what} goes on. SIGTERM to process ${process.pid} ends it.\n`;
}

/** What is said when the clock was set, by so many microseconds. */
export function describeClock(step: number): string {
  return `The clock was set, ${formatStep(step)}: the record says so, and durations go on by the time that passes.\n`;
}

/** What is said at the end of containers that went without a name; nothing when there were none. */
export function describeUnnamed({ containers, troubles }: Session['unnamed']): string {
  const lines = containers === 0 ? [] : [`${formatCount(containers, 'container')} without a name.`];
  for (const [trouble, count] of troubles) {
    lines.push(`A container runtime could not be asked, ${formatCount(count, 'time')}: ${trouble}.`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

/** Says what folding old events came to, but that it is not enough only once. */
export function foldingMessages(
  say: (text: string) => void,
): Pick<SessionOptions, 'folded' | 'onFoldFailure'> {
  let warned = false;
  return {
    folded: ({ folded, thinned, bytes, tooLarge }) => {
      if (folded > 0) {
        say(`Folded ${folded} old events into hours; ${formatSize(bytes)} are in use.\n`);
      }
      if (thinned > 0) {
        say(
          `Warning: ${thinned} events of one user were taken out of the record, which was larger than --max-size; see \`SELECT * FROM loss\`.\n`,
        );
      }
      if (tooLarge && !warned) {
        say(
          `Warning: ${formatSize(bytes)} are in use although everything old is folded; --max-size is too small for this record.\n`,
        );
      }
      warned = tooLarge;
    },
    onFoldFailure: (error) => say(`Old events were not folded:\n${renderFailure(error)}`),
  };
}
