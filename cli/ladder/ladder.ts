import { BouhekiError } from '../../error/error.ts';
import { visibleLines } from '../../error/visible.ts';
import { formatDuration } from '../../format/duration.ts';
import { formatTime } from '../../format/moment.ts';
import { climb, type LadderSubject, recordedSeconds, type Rung } from '../../generator/ladder.ts';
import type { ModeDocument } from '../../policy/file/document.ts';
import { listOf, networkOf, subjectText } from '../../policy/file/edit/append.ts';
import { allowRules } from '../../policy/file/edit/edit.ts';
import { appendModes, changeMode, changeWholeMode, modeSubjects } from '../../policy/file/edit/mode-edit.ts';
import { LIMITS } from '../../policy/file/limit.ts';
import { printPolicy } from '../../policy/file/print.ts';
import { isJudged } from '../../policy/meaning/evaluate.ts';
import { isForHost } from '../../policy/meaning/host.ts';
import { followLinks } from '../../policy/meaning/linked-path.ts';
import type { Mode, Policy } from '../../policy/meaning/policy.ts';
import { isEventLoss, openReader } from '../../profiler/read/read.ts';
import { accountsFor } from '../option/account-table.ts';
import { describeUnknownHost, type HostTexts, judgedHost, onHost } from '../option/fleet-host.ts';
import { realPaths } from '../option/linked-path.ts';
import { writeOutput } from '../option/output-file.ts';
import { parseText, readPolicyText, readTrustedPolicyText } from '../option/policy-file.ts';
import { warnAtOnce } from '../option/policy-reader.ts';
import { apply } from '../run/control.ts';
import { jsonDocument } from '../terminal/json-document.ts';
import { viewOf } from '../terminal/view.ts';
import { ladderText } from './text.ts';

/** What `ladder` was asked for, as commander hands it over. */
export interface LadderOptions {
  db: string;
  climb: boolean;
  whole: boolean;
  /** Name of a rule. */
  down?: string;
  /** Seconds. */
  quiet: number;
  apply: boolean;
  /** Seconds. */
  confirmWithin?: number;
  guardKey?: string;
  /** Microseconds since the epoch. */
  since?: number;
  host?: string[];
  json: boolean;
}

/** A subject as the file writes it. */
interface WrittenSubject extends LadderSubject {
  written: ModeDocument['from'];
  /** Of the mode entry that names exactly it. */
  entry: number | undefined;
}

/** What the file is to say now, and the steps that lead there. */
interface Change {
  text: string;
  steps: string[];
}

/** Prints where each subject of a policy stands, and takes the steps that were asked for. */
export async function runLadder(file: string, options: LadderOptions): Promise<void> {
  refuseContradictions(options);
  const changes = options.climb || options.down !== undefined;
  const text = changes ? readTrustedPolicyText(file) : readPolicyText(file);
  const { policy } = followLinks(parseText(text, file, warnAtOnce), realPaths);
  refusePolicy(file, text, policy);
  const subjects = subjectsOf(text, policy);
  const now = Date.now() * 1000;
  if (options.down !== undefined) {
    await take(file, text, stepDown(text, subjects, options.down, now), options);
    return;
  }
  const host = judgedHost(options.host);
  process.stderr.write(describeUnknownHost(policy, host));
  const here = subjects.filter(({ from }) => isForHost('allow', from, host));
  const { elsewhere, rungs } = await readRungs(policy, here, { ...options, host }, now);
  const change = options.climb ? stepUp(text, here, rungs, { ...options, elsewhere, now }) : undefined;
  process.stdout.write(
    options.json
      ? jsonDocument('ladder', { policy: file, elsewhere, subjects: rungs })
      : ladderText(rungs, elsewhere, viewOf(process.stdout)),
  );
  if (change !== undefined) await take(file, text, change, options);
}

function refuseContradictions({
  apply: applies,
  climb: climbs,
  confirmWithin,
  down,
  whole,
}: LadderOptions): void {
  const fault =
    down !== undefined && climbs
      ? '--down does not go with --climb'
      : whole && !climbs
        ? '--whole needs --climb'
        : applies && !climbs && down === undefined
          ? '--apply needs --climb or --down'
          : confirmWithin !== undefined && !applies
            ? '--confirm-within needs --apply'
            : undefined;
  if (fault === undefined) return;
  throw new BouhekiError('usage', fault, { remedy: 'See `bouheki ladder --help`.' });
}

function refusePolicy(file: string, text: string, { mode, version }: Policy): void {
  if (version === 1) {
    throw new BouhekiError('policy', `${file} is of version 1, which has no modes for some subjects`, {
      remedy: 'write it as version 2: bouheki check --upgrade',
    });
  }
  if (networkOf(text)?.flow === true || listOf(text, 'allow') === undefined) {
    throw new BouhekiError('policy', `${file} has no list of allow rules in YAML with a line for each key`, {
      remedy: 'Generate it anew, or write it so: the ladder writes the reason above each of its entries.',
    });
  }
  if (mode === 'block') {
    throw new BouhekiError('policy', `${file} blocks all its subjects already`, {
      remedy: 'the ladder begins with `mode: monitor`',
    });
  }
}

/** Whom the allow rules name, each once, in the order of the file. */
function subjectsOf(text: string, policy: Policy): WrittenSubject[] {
  const entries = modeSubjects(text);
  const found = new Map<string, { name: string; written: ModeDocument['from'] }>();
  for (const [index, { from = {}, name }] of allowRules(text).entries()) {
    const key = subjectText(from as LadderSubject['from']);
    if (!found.has(key)) found.set(key, { name: name ?? `allow[${index}]`, written: from });
  }
  const parsed = meaningsOf([...found.values()].map(({ written }) => written));
  return [...found].map(([key, { name, written }], index) => {
    const subject: WrittenSubject = { name, written, from: parsed[index]!, entry: undefined };
    const entry = entries.indexOf(key);
    if (entry >= 0) Object.assign(subject, { entry, mode: policy.modes![entry]!.mode });
    return subject;
  });
}

/** What these subjects mean in a mode entry. */
function meaningsOf(written: readonly ModeDocument['from'][]): LadderSubject['from'][] {
  const parts: LadderSubject['from'][] = [];
  for (let at = 0; at < written.length; at += LIMITS.modes) {
    const modes = written.slice(at, at + LIMITS.modes).map((from) => ({ from, mode: 'block' as const }));
    const text = printPolicy({ mode: 'monitor', modes, target: 'host', allow: [] });
    const { policy } = followLinks(
      parseText(text, 'the subjects of the policy', () => undefined),
      realPaths,
    );
    parts.push(...policy.modes!.map(({ from }) => from));
  }
  return parts;
}

async function readRungs(
  policy: Policy,
  subjects: readonly WrittenSubject[],
  { db, host, quiet, since }: Pick<LadderOptions, 'db' | 'quiet' | 'since'> & { host: HostTexts },
  now: number,
): Promise<{ rungs: Rung[]; elsewhere: number }> {
  const reader = await openReader(db);
  try {
    const begin = now - quiet * 1e6;
    const all = await reader.observations({ ...(since !== undefined && { since }), byNames: true });
    const late = await reader.observations({ since: begin, byNames: true });
    const judged = (list: typeof all) =>
      onHost(
        policy,
        list.filter(({ subject }) => isJudged(policy, subject)),
        host,
      );
    const recordings = await reader.recordings();
    const own = recordings
      .filter(({ backend }) => backend !== 'import')
      // One that runs still is known up to its last event, which may be long ago, and records until now.
      .map(({ endedAt, startedAt, state }) => ({ startedAt, endedAt: state === 'running' ? now : endedAt }));
    const losses = await reader.losses({ since: begin });
    const record = {
      observations: judged(all),
      recent: judged(late),
      quiet: { seconds: quiet, recorded: recordedSeconds(own, begin, now) },
      lost: losses.filter(isEventLoss).reduce((sum, { count }) => sum + count, 0),
      accounts: await accountsFor(policy, await reader.accounts()),
    };
    const { denied, rungs } = climb(policy, subjects, record);
    return { rungs, elsewhere: denied };
  } finally {
    reader.close();
  }
}

/** Has every subject that is ready blocked, and the whole policy where that is asked for and due. */
function stepUp(
  text: string,
  subjects: readonly WrittenSubject[],
  rungs: readonly Rung[],
  { elsewhere, now, quiet, whole }: { elsewhere: number; now: number; quiet: number; whole: boolean },
): Change {
  const ready = subjects.flatMap((subject, at) =>
    rungs[at]!.state === 'ready' ? [{ subject, rung: rungs[at]! }] : [],
  );
  const room = Math.max(0, LIMITS.modes - modeSubjects(text).length);
  const additions = ready.slice(0, room).map(({ rung, subject }) => ({
    name: subject.name,
    from: subject.written,
    mode: 'block' as const,
    comment: `${formatTime(now)}: ${rung.because.join('; ')}; quiet for ${formatDuration(quiet)}`,
  }));
  const steps = additions.map(({ comment, name }) => `${name}: blocked from now on (${comment})`);
  if (ready.length > room) {
    steps.push(
      `${ready.length - room} more are ready, but a policy has at most ${LIMITS.modes} mode entries`,
    );
  }
  const changed = appendModes(text, additions);
  const done = rungs.every(({ state }) => state === 'blocked' || state === 'ready') && ready.length <= room;
  if (!whole || !done || elsewhere > 0 || rungs.length === 0) return { text: changed, steps };
  return {
    text: changeWholeMode(changed, 'block'),
    steps: [...steps, 'the whole policy blocks from now on, also programs that no rule names'],
  };
}

function stepDown(text: string, subjects: readonly WrittenSubject[], name: string, now: number): Change {
  const subject = subjects.find((each) => each.name === name);
  if (subject === undefined) {
    throw new BouhekiError('usage', `no allow rule is called ${name}`, {
      remedy: 'Name the first rule of the subject, as `bouheki ladder POLICY` prints it.',
    });
  }
  const { entry, mode, written } = subject;
  if (mode === 'monitor') return { text, steps: [`${name}: its mode entry says monitor already`] };
  const steps = [`${name}: only monitored from now on, until its entry of \`modes\` is removed`];
  if (entry !== undefined) return { text: changeMode(text, entry, 'monitor'), steps };
  const comment = `${formatTime(now)}: taken off the ladder`;
  const held: Mode = 'monitor';
  return { text: appendModes(text, [{ name, from: written, mode: held, comment }]), steps };
}

/** Writes the file where it has changed, says what was done, and has it applied. */
async function take(
  file: string,
  before: string,
  { steps, text }: Change,
  options: LadderOptions,
): Promise<void> {
  const said = steps.length === 0 ? 'No step to take.\n' : `${steps.join('\n')}\n`;
  if (text !== before) {
    // An edit that breaks the file must not reach it.
    parseText(text, file, () => undefined);
    writeOutput(file, text);
  }
  process.stderr.write(visibleLines(said));
  if (text === before || !options.apply) return;
  let applied = false;
  try {
    applied = await putInForce(file, options);
  } finally {
    // Else the next look at the file, such as by SIGHUP, would take the steps all the same.
    if (!applied) {
      writeOutput(file, before);
      process.stderr.write(visibleLines(`Not in force, so ${file} is as it was.\n`));
    }
  }
}

/** Whether the file is in force now. The pre-flight replays the quiet period, which is what the steps go by. */
async function putInForce(
  file: string,
  { confirmWithin, db, guardKey, quiet }: LadderOptions,
): Promise<boolean> {
  return await apply(file, {
    db,
    force: false,
    preflight: true,
    shadow: false,
    since: (Date.now() / 1000 - quiet) * 1e6,
    ...(confirmWithin !== undefined && { confirmWithin }),
    ...(guardKey !== undefined && { guardKey }),
  });
}
