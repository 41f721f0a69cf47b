import type { AttachedProgram } from '../../bpf/pin/pins.ts';
import { type KernelNeeds } from '../../bpf/requirement.ts';
import { Counter } from '../../bpf/wire.ts';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { LogShare } from '../../enforcer/log/log-share.ts';
import { followLinks } from '../../policy/meaning/linked-path.ts';
import { blocksSome, modeNames } from '../../policy/meaning/mode.ts';
import type { Policy } from '../../policy/meaning/policy.ts';
import { ContainerNames } from '../../profiler/identity/container.ts';
import { Breaker } from '../../daemon/denial/breaker.ts';
import { DenialCount } from '../../daemon/denial/denial-count.ts';
import { denialListeners } from '../../daemon/denial/denial-listeners.ts';
import { DenialLog } from '../../daemon/denial/denial-log.ts';
import { GenerationMemory } from '../../daemon/denial/generation-memory.ts';
import type { ControlServer } from '../../daemon/control/control-server.ts';
import { Guarding } from '../../daemon/control/guarding.ts';
import { Keeper } from '../../daemon/control/keeper.ts';
import { listenForControl } from '../../daemon/control/listen.ts';
import { PolicySwitch } from '../../daemon/control/policy-switch.ts';
import { type InForce, type ReadPolicy, type SwitchParts } from '../../daemon/control/switch-parts.ts';
import { ServiceNotice } from '../../daemon/control/service-notice.ts';
import { Enforcement } from '../../daemon/enforcement.ts';
import { renderFailure } from '../../error/failure.ts';
import { KernelSide } from '../../daemon/kernel-side.ts';
import { type Messages } from '../../daemon/messages.ts';
import { connectionsOf, describeApart } from '../../format/connection-count.ts';
import { formatMoment } from '../../format/moment.ts';
import { PacketGuard } from '../../daemon/packet-guard.ts';
import { realPaths } from '../option/linked-path.ts';
import { PolicySource } from '../option/policy-source.ts';
import {
  describeClock,
  describeDenials,
  describeStart,
  describeUnnamed,
  foldingMessages,
} from '../report/recorder-messages.ts';
import { describePolicy } from '../report/policy-text.ts';
import { packageVersion } from '../report/version.ts';
import { type EnforceOptions, limitsOf } from '../option/recorder-option.ts';
import { fleetOf } from '../joined/agent-beside.ts';
import { attachmentOf } from './attachment.ts';
import type { FleetStatus, LiveStatus } from '../../profiler/serve/live-status.ts';
import { ShadowRun } from './shadow.ts';
import { StabilityWatch } from '../../daemon/stability.ts';
import { Session, type SessionOptions } from '../../daemon/session.ts';
import type { AwaitedStopSignal } from '../../daemon/stop-signal.ts';
import { Trouble } from '../../daemon/trouble.ts';

/** How often cgroups that are gone are forgotten, seconds. */
const SWEEP_EVERY = 60;
/** How often new cgroups are looked for where the kernel side cannot report them, seconds. */
const FIND_EVERY = 5;

/** What judges, what records, and what is reported of it. */
interface Parts {
  policies: PolicySwitch;
  control: ControlServer | undefined;
  session: Session;
  enforcement: Enforcement;
  log: DenialLog;
  share: LogShare;
  shadow: ShadowRun | undefined;
  trouble: Trouble;
  denials: DenialCount;
  guard: PacketGuard;
  keeper: Keeper;
  guarding: Guarding;
  /** How well what is recorded is known, where metrics are offered. */
  watch: StabilityWatch | undefined;
  say(text: string): void;
}

/** What a run begins with. */
export interface Beginning {
  source: Pick<PolicySource, 'read'>;
  read: ReadPolicy;
  options: EnforceOptions;
  messages: Messages;
  guarding: Guarding;
  /** How this host stands with its fleet, where it has joined one. */
  fleet?: () => FleetStatus | undefined;
  /** As of `KernelSide.load`. */
  awaitEnd?: () => AwaitedStopSignal;
}

/** One run of `enforce`: the steps that `judge` takes. */
export class EnforceRun {
  readonly #parts: Parts;
  #ticks = 0;

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Loads the kernel side, begins to record, and puts the policy in force. */
  static async open(beginning: Beginning): Promise<EnforceRun> {
    const { awaitEnd, fleet, guarding, messages, options, read, source } = beginning;
    const say = messages.say.bind(messages);
    const shadow = await ShadowRun.of(options, say);
    const log = new DenialLog(read.policy.log, say);
    const share = new LogShare((entry) => log.write(entry));
    const denials = new DenialCount();
    const inForce = notInForce(read, guarding);
    const generations = new GenerationMemory();
    const trouble = new Trouble(say);
    const names = new ContainerNames();
    const watch = options.metrics && new StabilityWatch(options.db, Date.now() * 1000);
    const kernel = await KernelSide.load(attachmentOf(options), needsOf(options), awaitEnd);
    const keeper = keeperOf(options, kernel, guarding, say);
    const enforcement = new Enforcement(kernel.egress, names, (text) => say(`Warning: ${text}\n`));
    const breaker = new Breaker(options.breaker);
    let guard: PacketGuard | undefined;
    let control: ControlServer | undefined;
    const session = await Session.open(kernel, names, {
      ...recordingOf(options, read, messages, () => shadow?.stop()),
      log,
      listeners: {
        ...denialListeners(denials, share, generations, breaker),
        cgroupMade: (id, path) => enforcement.cgroupMade(id, path),
      },
      unlisted: () => enforcement.unlisted,
      describe: () => ({
        enforcement: { ...inForce, ...shadow?.status, ...denials },
        ...besides(watch, fleet),
      }),
      ...(shadow && { beside: (sink) => shadow.tap(sink) }),
      keeps: () => keeper.keeps,
      ending: () => {
        watch?.close();
        guard?.show();
        enforcement.end(keeper.keeps);
      },
      onTrouble: trouble.happened,
    });
    try {
      guard = guardOf(options, kernel, say);
      const parts = { session, enforcement, log, generations, guard, keeper, inForce, withoutLinks, say };
      keeper.links = () => [...(guarding.guard?.links ?? []), ...linksOf(session)];
      const policies = policySwitch(parts, read, source);
      breaker.open = (subject) => void policies.monitorToo(subject);
      control = await listenForControl(options.db, options.confirmWithin !== undefined, {
        policies,
        shadow,
        guarding,
        say,
      });
      await policies.begin(options.confirmWithin);
      return new EnforceRun({
        ...parts,
        guarding,
        policies,
        control,
        share,
        shadow,
        trouble,
        denials,
        watch,
      });
    } catch (error) {
      control?.close();
      keeper.release();
      await session.abort();
      throw error;
    }
  }

  /** Says what is recorded and what is in force. */
  describe(db: string): void {
    const { keeper, say, session } = this.#parts;
    say(describeStart(session, db, 'enforce', keeper.before));
    this.describePolicy();
  }

  /** Says what is in force. */
  describePolicy(): void {
    const { policies, say } = this.#parts;
    say(policies.describe());
  }

  /** What is in force, in a few words. */
  get summary(): string {
    return this.#parts.policies.summary;
  }

  /** Judges and records until a signal ends it. */
  async carry(notice: ServiceNotice): Promise<void> {
    const { session, share, trouble } = this.#parts;
    // From here on nothing that is thrown anywhere ends enforcement: the kernel judges by what was put in
    // force last.
    process.on('uncaughtException', trouble.happened);
    await session.run(() => {
      this.#tick();
      notice.tick(this.summary);
    });
    notice.stopping();
    this.#parts.control?.close();
    this.#parts.policies.end();
    share.flush();
    process.off('uncaughtException', trouble.happened);
  }

  /** Opens the log again, reads the policy again after those that are being read, and puts it in force. */
  reload(): void {
    // First, because a log rotation must not depend on the policy.
    const { guarding, log, policies, say, shadow } = this.#parts;
    log.reopen();
    void shadow?.reload();
    if (guarding.holds)
      say(
        'SIGHUP: the policy is guarded, and its file is not read again: `bouheki apply FILE --guard-key KEY` does that.\n',
      );
    else policies.reload();
  }

  /** Says what came of it. Throws what had ended the recording. */
  async end(): Promise<void> {
    this.#parts.guard.end();
    const { denials, enforcement, keeper, session } = this.#parts;
    const { failure, recording, unnamed } = session;
    const after = keeper.keeps
      ? 'the kernel goes on enforcing the policy, until `bouheki enforce` takes over or `bouheki detach` ends that'
      : 'the policy is no longer in force';
    this.#parts.say(
      (failure === undefined
        ? `Recorded ${connectionsOf(recording.counters)} connections; ${after}.\n${describeApart(recording.counters)}`
        : `Nothing was recorded from ${formatMoment(failure.at)} on; ${after}.\n`) + describeUnnamed(unnamed),
    );
    // After the last lines about them.
    await this.#parts.log.close();
    this.#parts.say(describeDenials(denials, enforcement.policy));
    if (failure !== undefined) throw failure.error;
  }

  /** About once a second. */
  #tick(): void {
    const { control, enforcement, guard, guarding, keeper, log, policies, say, session, share, watch } =
      this.#parts;
    this.#ticks += 1;
    guarding.tick(say);
    policies.tick();
    keeper.tick();
    enforcement.attend(keeper.keeps);
    void control?.tick();
    share.tick();
    log.tick();
    guard.show();
    if (session.failure === undefined) watch?.tick(performance.now());
    enforcement.followExecutables();
    enforcement.followAccounts();
    enforcement.followEnds();
    if (this.#ticks % SWEEP_EVERY === 0) enforcement.sweep();
    enforcement.findLost(session.egress.counters()[Counter.lostCgroup]!);
    // Its programs report no new cgroups.
    if (session.cgroup !== undefined && this.#ticks % FIND_EVERY === 0) enforcement.findCgroups();
  }
}

function keeperOf(
  { db }: EnforceOptions,
  { attachment }: KernelSide,
  { guard }: Guarding,
  say: (text: string) => void,
): Keeper {
  return new Keeper({ attachment, db, guard, version: packageVersion(), say });
}

function guardOf({ backstop }: EnforceOptions, kernel: KernelSide, say: (text: string) => void): PacketGuard {
  return new PacketGuard(kernel.egress, kernel.cgroup ?? cgroupRoot(), backstop ?? false, say);
}

/** The programs that judge, and those that read DNS answers for them. */
function linksOf({ egress, names }: Session): AttachedProgram[] {
  return [...egress.links, ...(typeof names === 'string' ? [] : names.links)];
}

/** What is needed of the kernel side. With `--mode monitor` no policy that is read later blocks either. */
function needsOf({ mode, names }: EnforceOptions): KernelNeeds {
  return { blocks: mode !== 'monitor', ...(!names && { known: 1 }) };
}

/** What a status says before the first policy is in force. */
function notInForce({ hash, policy }: ReadPolicy, { holds }: Guarding): InForce {
  const guarded = holds && { guarded: true as const };
  return {
    ...modeNames(policy),
    policyHash: hash,
    generation: 0,
    loadedAt: 0,
    reloadFailed: false,
    ...guarded,
  };
}

function withoutLinks(policy: Policy): Policy {
  return followLinks(policy, realPaths).policy;
}

/** What puts the policies of a file in force, the first and those that come later. */
function policySwitch(
  parts: SwitchParts,
  first: ReadPolicy,
  source: Pick<PolicySource, 'read'>,
): PolicySwitch {
  const { enforcement, guard, say, session } = parts;
  return new PolicySwitch(
    parts,
    first,
    (file) => source.read(file),
    (file) => {
      say(describePolicy(file, enforcement, session));
      say(guard.describe(enforcement.policy, enforcement.packetRules));
    },
  );
}

/** What the session is to record, and what it says of the record. */
function recordingOf(
  options: EnforceOptions,
  { hash, policy }: ReadPolicy,
  messages: Messages,
  failed: () => void,
): SessionOptions {
  const say = messages.say.bind(messages);
  return {
    db: options.db,
    info: {
      command: 'enforce',
      mode: blocksSome(policy) ? 'block' : 'monitor',
      target: policy.target,
      policyHash: hash,
    },
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
      failed();
    },
  };
}

function besides(
  watch: StabilityWatch | undefined,
  fleet: Beginning['fleet'],
): Pick<LiveStatus, 'fleet' | 'subjects'> {
  return { ...(watch?.states && { subjects: watch.states }), ...fleetOf(fleet?.()) };
}
