import { Command, Option } from 'commander';
import { Counter, SocketKind } from '../bpf/wire.ts';
import { cgroupRoot } from '../host/cgroup-root.ts';
import { BouhekiError } from '../error/error.ts';
import { LogShare } from '../enforcer/log-share.ts';
import type { VerdictEntry } from '../enforcer/verdict-log.ts';
import { formatAddress } from '../policy/value/address.ts';
import type { Mode, Policy } from '../policy/meaning/policy.ts';
import { formatProtocol } from '../policy/value/protocol.ts';
import { ContainerNames } from '../profiler/identity/container.ts';
import type { Denial, ExcessDenials } from '../profiler/record/denial.ts';
import { DenialLog } from '../daemon/denial-log.ts';
import { Enforcement, policyHash } from '../daemon/enforcement.ts';
import { renderFailure } from '../error/failure.ts';
import { HangUp } from '../daemon/hang-up.ts';
import { type Messages, withMessages } from '../daemon/messages.ts';
import { formatMoment } from '../format/moment.ts';
import { PacketGuard } from '../daemon/packet-guard.ts';
import { parseText, readTrustedPolicyText } from './option/policy-file.ts';
import { databaseOption } from './option/record-option.ts';
import {
  describeClock,
  describeHangUp,
  describeStart,
  describeUnnamed,
  foldingMessages,
} from './report/recorder-messages.ts';
import { attachmentOf, limitsOf, recorderOptions, type RecorderOptions } from './option/recorder-option.ts';
import { Session } from '../daemon/session.ts';
import { Trouble } from '../daemon/trouble.ts';

interface Options extends RecorderOptions {
  db: string;
  mode?: Mode;
  backstop?: boolean;
}

/** How often cgroups that are gone are forgotten, seconds. */
const SWEEP_EVERY = 60;
/** Containers that a warning names. */
const SHOWN = 3;
/** How often new cgroups are looked for where the kernel side can't tell of them, seconds. */
const FIND_EVERY = 5;

const HELP = `
Examples:
  $ sudo bouheki enforce policy.yaml --mode monitor    note what would be blocked
  $ sudo bouheki enforce policy.yaml                   in the mode that the policy names

Every connection is recorded with its verdict, so that \`bouheki drift\` has something to go by. Denied connections are
logged on standard output, or where the policy says. SIGHUP reads the policy again; if it is not valid, the one in force
stays. Enforcement ends with this process, but not with the terminal that it was started from: closing that is no SIGHUP.
Nobody who reads what it writes can make it wait. Lines that can't be written are kept, 1 MiB of them, then dropped and
counted: where they are missing the log says so, and so does \`bouheki status\`.
Where a rule names container or image and exe, a process of its own looks at the files of those containers.
Exit status: 0 ended by a signal, 2 trouble, also when recording failed and enforcement went on.`;

/** `bouheki enforce POLICY`: judge every connection, and record it. */
export function enforceCommand(): Command {
  const command = new Command('enforce')
    .argument('<policy>', 'the policy file')
    .addOption(new Option('--mode <mode>', 'instead of the mode in the policy').choices(['monitor', 'block']))
    .option(
      '--backstop',
      'also drop packets, as they leave, to addresses that the policy denies to everybody or allows to nobody: what address translation and raw sockets made of them. Addresses that the host translates to need rules of their own then',
    )
    .addOption(databaseOption());
  for (const option of recorderOptions()) command.addOption(option);
  return command.addHelpText('after', HELP).action(enforce);
}

/** The policies that have been in force, by the low half of their generation: events may be older than the last flip. */
type Generations = Map<number, { policy: Policy; name: string }>;
/** How many of them are kept: the rings are read between two reloads, and a policy may take tens of megabytes. */
const MOST_GENERATIONS = 8;

export async function enforce(file: string, options: Options): Promise<void> {
  await withMessages((messages) => judge(file, options, messages));
}

async function judge(file: string, options: Options, messages: Messages): Promise<void> {
  const say = messages.say.bind(messages);
  // From the start: a SIGHUP that nobody listens to ends a process.
  let reload = (): void => void (early = true);
  let early = false;
  const hangUp = new HangUp();
  const onHangup = (): void => {
    if (hangUp.came()) say(describeHangUp('enforcement'));
    else reload();
  };
  process.on('SIGHUP', onHangup);
  const text = readTrustedPolicyText(file);
  const policy = parse(text, file, options, say);
  const names = new ContainerNames();
  const generations: Generations = new Map();
  const log = new DenialLog(policy.log, say);
  const trouble = new Trouble(say);
  const share = new LogShare((entry) => log.write(entry));
  let enforcement: Enforcement | undefined;
  const session = await Session.open(
    {
      db: options.db,
      attachment: attachmentOf(options),
      info: { command: 'enforce', mode: policy.mode, target: policy.target, policyHash: policyHash(text) },
      limits: limitsOf(options),
      metrics: options.metrics,
      messages,
      log,
      clockSet: (step) => say(describeClock(step)),
      ...foldingMessages(say),
      listeners: {
        denied: (denial) => share.write(payerOf(denial), entryOf(denial, generations)),
        excess: (denials) => share.write(payerOf(denials), excessOf(denials)),
        cgroupMade: (id, path) => enforcement?.cgroupMade(id, path),
      },
      unlisted: () => enforcement?.unlisted ?? 0,
      ending: () => enforcement?.[Symbol.dispose](),
      onTrouble: trouble.happened,
      onStoreFailure: (error) => {
        say(renderFailure(error));
        say('Recording has stopped; enforcement goes on, and ends with status 2.\n');
      },
    },
    names,
  );
  enforcement = new Enforcement(session.egress, names, (text) => say(`Warning: ${text}\n`));
  let guard: PacketGuard;
  try {
    guard = new PacketGuard(session.egress, options.cgroup ?? cgroupRoot(), options.backstop ?? false, say);
    guard.prepare(policy);
    await putInForce(policy, policyHash(text), session, enforcement, generations);
  } catch (error) {
    await session.abort();
    throw error;
  }
  say(describeStart(session, options.db, 'enforce'));
  say(describePolicy(file, enforcement, session));
  say(guard.describe(policy, enforcement.packetRules));
  let reloading = Promise.resolve();
  reload = () => {
    // First, because a log rotation must not depend on the policy.
    log.reopen();
    reloading = reloading.then(() =>
      reloadPolicy(file, options, { session, enforcement: enforcement!, generations, log, guard, say }),
    );
  };
  if (early) reload();
  // From here on nothing that is thrown anywhere ends enforcement: the kernel judges by what was put in force last.
  process.on('uncaughtException', trouble.happened);
  let ticks = 0;
  await session.run(() => {
    ticks += 1;
    share.tick();
    guard.show();
    enforcement.followExecutables();
    if (ticks % SWEEP_EVERY === 0) enforcement.sweep();
    enforcement.findLost(session.egress.counters()[Counter.lostCgroup]!);
    // Its programs tell of no new cgroups.
    if (session.cgroup !== undefined && ticks % FIND_EVERY === 0) enforcement.findCgroups();
  });
  share.flush();
  process.off('uncaughtException', trouble.happened);
  // Still listened to: what is left to be said must not be cut off.
  reload = () => undefined;
  guard.end();
  const { failure } = session;
  say(
    (failure === undefined
      ? `Recorded ${session.recording.counters.events} connections; the policy is no longer in force.\n`
      : `Nothing was recorded from ${formatMoment(failure.at)} on; the policy is no longer in force.\n`) +
      describeUnnamed(session.unnamed),
  );
  await log.close();
  if (failure !== undefined) throw failure.error;
}

function parse(text: string, file: string, options: Options, warn: (text: string) => void): Policy {
  const policy = parseText(text, file, warn);
  return options.mode ? { ...policy, mode: options.mode } : policy;
}

async function putInForce(
  policy: Policy,
  hash: string,
  session: Session,
  enforcement: Enforcement,
  generations: Generations,
): Promise<void> {
  await enforcement.prepare(policy);
  if (enforcement.over) return;
  const generation = enforcement.apply(policy);
  generations.set(Number(generation & 0xffff_ffffn), { policy, name: hash });
  const [oldest] = generations.keys();
  if (generations.size > MOST_GENERATIONS) generations.delete(oldest!);
  session.nameBoxes(generation, policy.boxes);
}

/** What a policy that is read again takes the place of. */
interface InForce {
  session: Session;
  enforcement: Enforcement;
  generations: Generations;
  log: DenialLog;
  guard: PacketGuard;
  say(text: string): void;
}

/** Reads the policy again, and puts it in force together with its log. Never fails: the one before stays then. */
async function reloadPolicy(file: string, options: Options, inForce: InForce): Promise<void> {
  const { session, enforcement, generations, log, guard, say } = inForce;
  try {
    const text = readTrustedPolicyText(file);
    const policy = parse(text, file, options, say);
    const next = log.prepare(policy.log);
    try {
      guard.prepare(policy);
      await putInForce(policy, policyHash(text), session, enforcement, generations);
    } catch (error) {
      log.giveUp(next);
      throw error;
    }
    log.replace(next);
    if (enforcement.over) return;
    say(describePolicy(file, enforcement, session));
    say(guard.describe(policy, enforcement.packetRules));
  } catch (error) {
    say(renderFailure(error));
    if (error instanceof BouhekiError) say('The policy that was in force stays.\n');
  }
}

/** What is in force, and which of its rules match nothing here. */
function describePolicy(file: string, enforcement: Enforcement, session: Session): string {
  const { missingInside, policy, unresolved } = enforcement;
  const whole = session.cgroup ?? 'the whole host';
  const allowed = policy.boxes.filter((box) => box.action === 'allow').length;
  const lines = [
    `${policy.mode === 'block' ? 'Blocking' : 'Monitoring'} by ${file}: ` +
      `${policy.boxes.length - allowed} deny and ${allowed} allow entries for ${policy.target === 'host' ? whole : `containers of ${whole}`}.`,
  ];
  for (const path of unresolved)
    lines.push(`Warning: ${path} does not exist here; until it does, no rule that names it matches.`);
  for (const [path, names] of missingInside) {
    const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
    lines.push(
      `Warning: ${path} does not exist in container ${names.slice(0, SHOWN).join(', ')}${more}; until it does, no rule that names it matches there.`,
    );
  }
  return lines.map((line) => `${line}\n`).join('');
}

const SOCKET_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(SocketKind).map(([name, kind]) => [kind, name]),
);

/** No container can have this name. */
const UNKNOWN_CONTAINER = '(unknown)';

/**
 * Whose share of the log a line takes. A name of a container that a user of the host has chosen is none; and ids that no
 * account has are any number of one user's.
 */
function payerOf(denial: Denial | ExcessDenials): string {
  const container = 'image' in denial ? denial.image?.container : undefined;
  if (container?.known) return `container ${container.id}`;
  const user = denial.user === undefined ? 'ids without an account' : `user ${denial.uid}`;
  return denial.inContainer ? `${user} in containers` : user;
}

function excessOf({ blocked, count, inContainer, uid, user }: ExcessDenials): VerdictEntry {
  return {
    action: blocked ? 'BLOCKED' : 'MONITOR',
    uid,
    ...(user !== undefined && !inContainer && { user }),
    ...(inContainer && { container: UNKNOWN_CONTAINER }),
    count,
  };
}

function entryOf(denial: Denial, generations: Generations): VerdictEntry {
  const { image } = denial;
  const inContainer = image?.inContainer ?? denial.inContainer;
  const judged = generations.get(denial.generation);
  const rule = denial.box === undefined ? undefined : judged?.policy.boxes[denial.box]?.name;
  return {
    action: denial.blocked ? 'BLOCKED' : 'MONITOR',
    ...(denial.destination && {
      address: formatAddress(denial.destination),
      port: denial.destination.port,
    }),
    ...(denial.socket !== undefined && { socket: SOCKET_NAMES.get(denial.socket) ?? 'other' }),
    command: denial.command,
    hostname: image?.nodename ?? '',
    ...(denial.pid !== 0 && { pid: denial.pid }),
    ...(denial.count !== 1 && { count: denial.count }),
    ...(image?.path && { exe: image.path }),
    uid: denial.uid,
    // In a container another user has this id.
    ...(denial.user !== undefined && !inContainer && { user: denial.user }),
    protocol: formatProtocol(denial.protocol),
    ...(image?.parentCommand && { parentCommand: image.parentCommand }),
    ...(image?.ancestors && { ancestors: image.ancestors }),
    ...(inContainer && { container: image?.container?.name ?? UNKNOWN_CONTAINER }),
    ...(image?.container?.image && { image: image.container.image }),
    ...(rule !== undefined && { rule }),
    policy: judged?.name ?? '',
  };
}
