import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SideFlag } from '../../bpf/wire.ts';
import { ServiceNotice } from '../../daemon/control/service-notice.ts';
import type { ReadPolicy } from '../../daemon/control/switch-parts.ts';
import { policyHash } from '../../daemon/enforcement.ts';
import { Guarding } from '../../daemon/control/guarding.ts';
import { KernelSide } from '../../daemon/kernel-side.ts';
import { type Messages, withMessages } from '../../daemon/messages.ts';
import { Session } from '../../daemon/session.ts';
import type { AwaitedStopSignal, StopSignal } from '../../daemon/stop-signal.ts';
import { BouhekiError } from '../../error/error.ts';
import { readHostFile } from '../../fleet/self/host-file.ts';
import { formatCount } from '../../format/number.ts';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { forHost } from '../../policy/meaning/host.ts';
import { requireRecordable } from '../../profiler/database/lock.ts';
import { ContainerNames } from '../../profiler/identity/container.ts';
import { openReader } from '../../profiler/read/read.ts';
import { appendOutput } from '../option/output-file.ts';
import { parseText, readPolicyText } from '../option/policy-file.ts';
import { limitsOf } from '../option/recorder-option.ts';
import { describeClock, foldingMessages } from '../report/recorder-messages.ts';
import { packageVersion } from '../report/version.ts';
import { attachmentOf } from '../run/attachment.ts';
import type { EnforceOptions } from '../option/recorder-option.ts';
import { EnforceRun } from '../run/enforce-run.ts';
import { viewOf } from '../terminal/view.ts';
import { runToEnd, type User, userFor } from './command.ts';
import { writeLearnt } from './learnt-policy.ts';
import { type Outcome, outcomeMarkdown, outcomeOf, outcomeText } from './outcome.ts';
import { OwnCgroup } from './own-cgroup.ts';

/** What `run` was asked for, as commander hands it over. */
export interface ConfineOptions {
  /** The policy that the command is held to. */
  policy?: string;
  /** The file that the policy is written to which the command needs. */
  learn?: string;
  /** The record to add to; absent: one for this run alone. */
  db?: string;
  user?: string;
  /** A file that the outcome is added to, as Markdown. */
  summary?: string;
  /** Whether a denied connection makes a command fail that has not. */
  failOnDenied: boolean;
  names: boolean;
}

/** The status of a run that did not come to the command, or not to its end in order, as env(1) and timeout(1) have it. */
const NOT_RUN = 125;

/** Runs a command, and all that it starts, in a cgroup where its connections are recorded, or held to a policy. */
export async function confine(command: readonly string[], options: ConfineOptions): Promise<void> {
  let status: number | undefined;
  await withMessages(async (messages) => {
    refuseContradictions(options);
    const folder = options.db === undefined ? mkdtempSync(join(tmpdir(), 'bouheki-run-')) : undefined;
    try {
      status = await new Confinement(command, options, messages, folder).run();
    } finally {
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    }
  });
  process.exitCode = status ?? NOT_RUN;
}

function refuseContradictions({ learn, policy }: ConfineOptions): void {
  if (learn === undefined) return;
  if (policy !== undefined) {
    throw new BouhekiError('usage', '--learn and --policy do not go together', {
      remedy: 'Learn a policy first, and hold the command to it from then on.',
    });
  }
  if (!existsSync(learn)) return;
  throw new BouhekiError('usage', `${learn} is there already`, {
    remedy: `Hold the command to it with --policy ${learn}, or remove it to learn anew.`,
  });
}

/** One run: the command, its cgroup, and what watches it. */
class Confinement {
  readonly #command: readonly string[];
  readonly #options: ConfineOptions;
  readonly #db: string;
  readonly #messages: Messages;
  readonly #user: User | undefined;

  /** `folder`: where its record is, where that is for this run alone. */
  constructor(
    command: readonly string[],
    options: ConfineOptions,
    messages: Messages,
    folder: string | undefined,
  ) {
    this.#command = command;
    this.#options = options;
    this.#db = options.db ?? join(folder!, 'record.duckdb');
    this.#messages = messages;
    this.#user = userFor(options.user, process.env);
  }

  /** The status that the run ends with. */
  async run(): Promise<number> {
    requireRecordable(this.#db);
    const cgroup = OwnCgroup.make(cgroupRoot(), `bouheki-run-${process.pid}`);
    // A record of its own is all of this run, whatever becomes of the clock.
    const window = this.#options.db === undefined ? {} : { since: Date.now() * 1000 };
    try {
      const status = await (this.#options.policy === undefined
        ? this.#observe(cgroup)
        : this.#hold(cgroup, this.#options.policy));
      const denied = await this.#tell(window, status);
      return status === 0 && denied > 0 && this.#options.failOnDenied ? 1 : status;
    } finally {
      await cgroup.empty();
      await cgroup.remove();
    }
  }

  /** Records what the command connects to. */
  async #observe(cgroup: OwnCgroup): Promise<number> {
    const say = (text: string): void => this.#messages.say(text);
    const end = new End();
    const options = this.#recorderOptions(cgroup);
    const needs = { blocks: false, known: 1 };
    const kernel = await KernelSide.load(attachmentOf(options), needs, () => end);
    const session = await Session.open(kernel, new ContainerNames(), {
      db: this.#db,
      info: { command: 'learn', target: 'host' },
      limits: limitsOf(options),
      names: options.names,
      messages: this.#messages,
      clockSet: (step) => say(describeClock(step)),
      version: packageVersion(),
      ...foldingMessages(say),
    });
    session.egress.flip(SideFlag.record);
    return await this.#carry(
      cgroup,
      end,
      session.run(() => undefined),
    );
  }

  /** Holds the command to a policy. */
  async #hold(cgroup: OwnCgroup, file: string): Promise<number> {
    const source = { read: (path: string) => this.#read(path) };
    const read = source.read(file);
    const end = new End();
    const options = this.#recorderOptions(cgroup);
    const guarding = Guarding.none();
    const beginning = { source, read, options, messages: this.#messages, guarding, awaitEnd: () => end };
    const run = await EnforceRun.open(beginning);
    run.describePolicy();
    // What systemd wants to be told is the command's to tell.
    const status = await this.#carry(cgroup, end, run.carry(new ServiceNotice({})));
    await run.end();
    return status;
  }

  /** Runs the command while `recording` goes on, which ends with it. Throws what ended either. */
  async #carry(cgroup: OwnCgroup, end: End, recording: Promise<unknown>): Promise<number> {
    const command = this.#start(cgroup, end);
    // Why it could not be started is told when all is taken away.
    command.catch(() => undefined);
    await recording;
    return await command;
  }

  /** Starts the command; when it has ended, and what it has left behind, that ends the recording. */
  async #start(cgroup: OwnCgroup, end: End): Promise<number> {
    try {
      const status = await runToEnd(this.#command, this.#user, (work) => cgroup.within(work));
      const left = await cgroup.empty();
      if (left > 0) {
        const what = formatCount(left, 'process', 'processes');
        this.#messages.say(`Ended ${what} that the command had left behind.\n`);
      }
      return status;
    } finally {
      end.come();
    }
  }

  /** Says what the command connected to, and writes what was asked for. Returns how much was denied. */
  async #tell(window: { since?: number }, status: number): Promise<number> {
    const { learn, summary } = this.#options;
    const outcome = await readOutcome(this.#db, window);
    this.#messages.say(outcomeText(outcome, { ...viewOf(process.stderr), colour: false }));
    if (summary !== undefined) appendOutput(summary, outcomeMarkdown(outcome, this.#command));
    if (learn !== undefined) await this.#learn(learn, outcome, status);
    return outcome.denied;
  }

  async #learn(file: string, { connections }: Outcome, status: number): Promise<void> {
    if (connections === 0 && status !== 0) {
      this.#messages.say('No policy is written: the command failed before it connected to anything.\n');
      return;
    }
    await writeLearnt(this.#db, file, this.#user);
    this.#messages.say(`Next: bouheki run --policy ${file} -- ${this.#command.join(' ')}\n`);
  }

  /**
   * The policy of a file of the caller's, who may run any command: that it holds this one alone is why it needs no other
   * owner. It ends with this run, and what it denies is told at the end.
   */
  #read(file: string): ReadPolicy {
    const text = readPolicyText(file);
    const written = parseText(text, file, (warning) => this.#messages.say(warning));
    const { log, ...policy } = forHost(written, readHostFile());
    const quiet = log.output === undefined ? { ...log, level: 'error' as const } : log;
    return { policy: { ...policy, log: quiet, onExit: 'release' }, hash: policyHash(text), file };
  }

  #recorderOptions(cgroup: OwnCgroup): EnforceOptions {
    const { names } = this.#options;
    return { db: this.#db, names, backend: 'auto', cgroup: cgroup.directory, preflight: false };
  }
}

/** What ends the recording: the end of the command. */
class End implements AwaitedStopSignal {
  readonly came: Promise<StopSignal>;
  #come!: (signal: StopSignal) => void;

  constructor() {
    this.came = new Promise((resolve) => (this.#come = resolve));
  }

  come(): void {
    this.#come('SIGINT');
  }

  forget(): void {
    // It listens to nothing.
  }
}

async function readOutcome(db: string, window: { since?: number }): Promise<Outcome> {
  const reader = await openReader(db);
  try {
    const observations = await reader.observations(window);
    return outcomeOf(observations, await reader.losses(window));
  } finally {
    reader.close();
  }
}
