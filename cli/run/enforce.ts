import type { KernelNeeds } from '../../bpf/egress.ts';
import { Counter } from '../../bpf/wire.ts';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { BouhekiError } from '../../error/error.ts';
import { LogShare } from '../../enforcer/log-share.ts';
import { followLinks } from '../../policy/meaning/linked-path.ts';
import type { Mode } from '../../policy/meaning/policy.ts';
import { ContainerNames } from '../../profiler/identity/container.ts';
import { entryOf, excessOf, payerOf } from '../../daemon/denial/denial-entry.ts';
import { DenialCount } from '../../daemon/denial/denial-count.ts';
import { DenialLog } from '../../daemon/denial/denial-log.ts';
import { GenerationMemory, type JudgingPolicy } from '../../daemon/denial/generation-memory.ts';
import { Enforcement } from '../../daemon/enforcement.ts';
import { renderFailure } from '../../error/failure.ts';
import { ReloadSignal } from '../../daemon/hang-up.ts';
import { KernelSide } from '../../daemon/kernel-side.ts';
import { type Messages, withMessages } from '../../daemon/messages.ts';
import { connectionsOf, describeApart } from '../../format/connection-count.ts';
import { formatMoment } from '../../format/moment.ts';
import { PacketGuard } from '../../daemon/packet-guard.ts';
import { realPaths } from '../option/linked-path.ts';
import { PolicySource } from '../option/policy-source.ts';
import { requireRecordable } from '../../profiler/database/lock.ts';
import {
  describeClock,
  describeDenials,
  describeHangUp,
  describeStart,
  describeUnnamed,
  foldingMessages,
} from '../report/recorder-messages.ts';
import { packageVersion } from '../report/version.ts';
import type { EnforcementStatus } from '../../profiler/serve/live-status.ts';
import { limitsOf, type RecorderOptions } from '../option/recorder-option.ts';
import { attachmentOf } from './attachment.ts';
import { StabilityWatch } from '../../daemon/stability.ts';
import { Session, type SessionOptions } from '../../daemon/session.ts';
import { Trouble } from '../../daemon/trouble.ts';

/** What `enforce` was asked for, as commander hands it over. */
export interface EnforceOptions extends RecorderOptions {
  db: string;
  mode?: Mode;
  backstop?: boolean;
}

/** How often cgroups that are gone are forgotten, seconds. */
const SWEEP_EVERY = 60;
/** Containers that a warning names. */
const SHOWN = 3;
/** How often new cgroups are looked for where the kernel side cannot report them, seconds. */
const FIND_EVERY = 5;

/** Judges and records by the policy of a file until a signal comes. */
export async function enforce(file: string, options: EnforceOptions): Promise<void> {
  requireRecordable(options.db);
  await withMessages((messages) => judge(file, options, messages));
}

async function judge(file: string, options: EnforceOptions, messages: Messages): Promise<void> {
  const signal = new ReloadSignal(() => messages.say(describeHangUp('enforcement')));
  const source = new PolicySource(file, options.mode, (text) => messages.say(text));
  const run = await EnforceRun.open(source, options, messages);
  run.describe(options.db);
  signal.serve(() => run.reload());
  await run.carry();
  // Still listened to: what is left to be said must not be cut off.
  signal.ignore();
  await run.end();
}

/** The policy in force as a status names it. */
type InForce = Omit<EnforcementStatus, keyof DenialCount>;

/** What judges, what records, and what is reported of it. */
interface Parts {
  source: PolicySource;
  session: Session;
  enforcement: Enforcement;
  log: DenialLog;
  share: LogShare;
  trouble: Trouble;
  denials: DenialCount;
  inForce: InForce;
  generations: GenerationMemory;
  guard: PacketGuard;
  /** How well what is recorded is known, where metrics are offered. */
  watch: StabilityWatch | undefined;
  say(text: string): void;
}

/** One run of `enforce`: the steps that `judge` takes. */
class EnforceRun {
  readonly #parts: Parts;
  #reloading = Promise.resolve();
  #ticks = 0;

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Reads the policy, loads the kernel side, begins to record, and puts the policy in force. */
  static async open(source: PolicySource, options: EnforceOptions, messages: Messages): Promise<EnforceRun> {
    const say = messages.say.bind(messages);
    const read = source.read();
    const log = new DenialLog(read.policy.log, say);
    const share = new LogShare((entry) => log.write(entry));
    const denials = new DenialCount();
    const inForce: InForce = {
      mode: read.policy.mode,
      policyHash: read.hash,
      generation: 0,
      loadedAt: 0,
      reloadFailed: false,
    };
    const generations = new GenerationMemory();
    const trouble = new Trouble(say);
    const names = new ContainerNames();
    const watch = options.metrics && new StabilityWatch(options.db, Date.now() * 1000);
    const kernel = await KernelSide.load(attachmentOf(options), needsOf(options));
    const enforcement = new Enforcement(kernel.egress, names, (text) => say(`Warning: ${text}\n`));
    let guard: PacketGuard | undefined;
    const session = await Session.open(kernel, names, {
      ...recordingOf(options, read, messages),
      log,
      listeners: {
        denied: (denial) => {
          denials.add(denial);
          share.write(payerOf(denial), entryOf(denial, generations.find(denial.generation)));
        },
        excess: (excess) => {
          denials.add(excess);
          share.write(payerOf(excess), excessOf(excess));
        },
        cgroupMade: (id, path) => enforcement.cgroupMade(id, path),
      },
      unlisted: () => enforcement.unlisted,
      describe: () => ({
        enforcement: { ...inForce, ...denials },
        ...(watch?.states && { subjects: watch.states }),
      }),
      ending: () => {
        watch?.close();
        // What was dropped since the last second.
        guard?.show();
        enforcement[Symbol.dispose]();
      },
      onTrouble: trouble.happened,
    });
    try {
      const cgroup = kernel.cgroup ?? cgroupRoot();
      guard = new PacketGuard(kernel.egress, cgroup, options.backstop ?? false, say);
      const run = new EnforceRun({
        source,
        session,
        enforcement,
        log,
        share,
        trouble,
        denials,
        inForce,
        generations,
        guard,
        watch,
        say,
      });
      await run.#putInForce(read);
      return run;
    } catch (error) {
      await session.abort();
      throw error;
    }
  }

  /** Says what is recorded and what is in force. */
  describe(db: string): void {
    this.#parts.say(describeStart(this.#parts.session, db, 'enforce'));
    this.#describePolicy();
  }

  /** Judges and records until a signal ends it. */
  async carry(): Promise<void> {
    const { session, share, trouble } = this.#parts;
    // From here on nothing that is thrown anywhere ends enforcement: the kernel judges by what was put in
    // force last.
    process.on('uncaughtException', trouble.happened);
    await session.run(() => this.#tick());
    share.flush();
    process.off('uncaughtException', trouble.happened);
  }

  /** Opens the log again, reads the policy again after those that are being read, and puts it in force. */
  reload(): void {
    // First, because a log rotation must not depend on the policy.
    this.#parts.log.reopen();
    this.#reloading = this.#reloading.then(() => this.#readAgain());
  }

  /** Says what came of it. Throws what had ended the recording. */
  async end(): Promise<void> {
    this.#parts.guard.end();
    const { denials, enforcement, session } = this.#parts;
    const { failure, recording, unnamed } = session;
    this.#parts.say(
      (failure === undefined
        ? `Recorded ${connectionsOf(recording.counters)} connections; the policy is no longer in force.\n${describeApart(recording.counters)}`
        : `Nothing was recorded from ${formatMoment(failure.at)} on; the policy is no longer in force.\n`) +
        describeUnnamed(unnamed),
    );
    // After the last lines about them.
    await this.#parts.log.close();
    this.#parts.say(describeDenials(denials, enforcement.policy.mode));
    if (failure !== undefined) throw failure.error;
  }

  /** About once a second. */
  #tick(): void {
    const { enforcement, guard, log, session, share, watch } = this.#parts;
    this.#ticks += 1;
    share.tick();
    log.tick();
    guard.show();
    if (session.failure === undefined) watch?.tick(performance.now());
    enforcement.followExecutables();
    enforcement.followAccounts();
    if (this.#ticks % SWEEP_EVERY === 0) enforcement.sweep();
    enforcement.findLost(session.egress.counters()[Counter.lostCgroup]!);
    // Its programs report no new cgroups.
    if (session.cgroup !== undefined && this.#ticks % FIND_EVERY === 0) enforcement.findCgroups();
  }

  /** Puts the policy of the file in force together with its log. Never fails: the one before stays then. */
  async #readAgain(): Promise<void> {
    const { enforcement, log, say, source } = this.#parts;
    try {
      const read = source.read();
      const next = log.prepare(read.policy.log);
      try {
        await this.#putInForce(read);
      } catch (error) {
        log.giveUp(next);
        throw error;
      }
      log.replace(next);
      if (!enforcement.over) this.#describePolicy();
    } catch (error) {
      this.#parts.inForce.reloadFailed = true;
      say(renderFailure(error));
      if (error instanceof BouhekiError) say('The policy that was in force stays.\n');
    }
  }

  async #putInForce(read: JudgingPolicy): Promise<void> {
    const { enforcement, generations, guard, inForce, session } = this.#parts;
    const { hash, policy } = read;
    guard.prepare(policy);
    enforcement.names = session.names;
    await enforcement.prepare(policy);
    if (enforcement.over) return;
    const generation = enforcement.apply(policy);
    // The log names the rule that comes nearest by paths without links, which is what processes have.
    generations.add(generation, { hash, policy: followLinks(policy, realPaths).policy });
    Object.assign(inForce, {
      mode: policy.mode,
      policyHash: hash,
      generation: inForce.generation + 1,
      loadedAt: Date.now() * 1000,
      reloadFailed: false,
    } satisfies InForce);
    session.nameBoxes(generation, policy.boxes);
  }

  #describePolicy(): void {
    const { enforcement, guard, say, session, source } = this.#parts;
    say(describePolicy(source.file, enforcement, session));
    say(guard.describe(enforcement.policy, enforcement.packetRules));
  }
}

/** What is needed of the kernel side. With `--mode monitor` no policy that is read later blocks either. */
function needsOf({ mode, names }: EnforceOptions): KernelNeeds {
  return { blocks: mode !== 'monitor', ...(!names && { known: 1 }) };
}

/** What the session is to record, and what it says of the record. */
function recordingOf(
  options: EnforceOptions,
  { hash, policy }: JudgingPolicy,
  messages: Messages,
): SessionOptions {
  const say = messages.say.bind(messages);
  return {
    db: options.db,
    info: { command: 'enforce', mode: policy.mode, target: policy.target, policyHash: hash },
    limits: limitsOf(options),
    metrics: options.metrics,
    names: options.names,
    version: packageVersion(),
    messages,
    clockSet: (step) => say(describeClock(step)),
    ...foldingMessages(say),
    onStoreFailure: (error) => {
      say(renderFailure(error));
      say('Recording has stopped; enforcement goes on, and ends with status 2.\n');
    },
  };
}

/** What is in force, and which of its rules match nothing here. */
function describePolicy(file: string, enforcement: Enforcement, session: Session): string {
  const { missingInside, policy, unknownAccounts, unresolved } = enforcement;
  const whole = session.cgroup ?? 'the whole host';
  const allowed = policy.boxes.filter((box) => box.action === 'allow').length;
  const lines = [
    `${policy.mode === 'block' ? 'Blocking' : 'Monitoring'} by ${file}: ` +
      `${policy.boxes.length - allowed} deny and ${allowed} allow entries for ${policy.target === 'host' ? whole : `containers of ${whole}`}.`,
  ];
  for (const path of unresolved)
    lines.push(`Warning: ${path} does not exist here; until it does, no rule that names it matches.`);
  for (const account of unknownAccounts)
    lines.push(`Warning: this host has no ${account}; until it does, no rule that names it matches.`);
  for (const [path, names] of missingInside) {
    const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
    lines.push(
      `Warning: ${path} does not exist in container ${names.slice(0, SHOWN).join(', ')}${more}; until it does, no rule that names it matches there.`,
    );
  }
  return lines.map((line) => `${line}\n`).join('');
}
