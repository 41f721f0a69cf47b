import { isDeepStrictEqual } from 'node:util';
import { Command, Option } from 'commander';
import { Counter, SocketKind } from '../bpf/wire.ts';
import { cgroupRoot } from '../bpf/cgroup-root.ts';
import { BouhekiError } from '../error/error.ts';
import { VerdictLog, type VerdictEntry } from '../enforcer/verdict-log.ts';
import { formatAddress } from '../policy/address.ts';
import type { LogOptions, Mode, Policy } from '../policy/policy.ts';
import { formatProtocol } from '../policy/protocol.ts';
import { ContainerNames } from '../profiler/container.ts';
import type { Denial } from '../profiler/denial.ts';
import { BackstopNotes } from './backstop-notes.ts';
import { Enforcement, policyHash } from './enforcement.ts';
import { renderFailure } from './failure.ts';
import { formatMoment } from './moment.ts';
import { parseText, readTrustedPolicyText } from './policy-file.ts';
import { databaseOption } from './record-option.ts';
import { describeStart, describeUnnamed, foldingMessages } from './recorder-messages.ts';
import { attachmentOf, limitsOf, recorderOptions, type RecorderOptions } from './recorder-option.ts';
import { Session } from './session.ts';

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
stays. Enforcement ends with this process.
Where a rule names container or image and exe, a process of its own looks at the files of those containers.
Exit status: 0 ended by a signal, 2 trouble, also when recording failed and enforcement went on.`;

/** `bouheki enforce POLICY`: judge every connection, and record it. */
export function enforceCommand(): Command {
  const command = new Command('enforce')
    .description('Put a policy in force and record every connection with its verdict')
    .argument('<policy>', 'the policy file')
    .addOption(new Option('--mode <mode>', 'instead of the mode in the policy').choices(['monitor', 'block']))
    .option(
      '--backstop',
      'also drop packets, as they leave, to addresses that the policy denies to everybody: what address translation, source routes and raw sockets made of them',
    )
    .addOption(databaseOption());
  for (const option of recorderOptions()) command.addOption(option);
  return command.addHelpText('after', HELP).action(enforce);
}

/** The policies that have been in force, by the low half of their generation: events may be older than the last flip. */
type Generations = Map<number, { policy: Policy; name: string }>;

export async function enforce(file: string, options: Options): Promise<void> {
  // From the start: a SIGHUP that nobody listens to ends a process.
  let reload = (): void => void (early = true);
  let early = false;
  const onHangup = (): void => reload();
  process.on('SIGHUP', onHangup);
  const text = readTrustedPolicyText(file);
  const policy = parse(text, file, options);
  const names = new ContainerNames();
  const generations: Generations = new Map();
  let log = openLog(policy.log);
  let enforcement: Enforcement | undefined;
  const session = await Session.open(
    {
      db: options.db,
      attachment: attachmentOf(options),
      info: { command: 'enforce', mode: policy.mode, target: policy.target, policyHash: policyHash(text) },
      limits: limitsOf(options),
      metrics: options.metrics,
      ...foldingMessages(),
      listeners: {
        denied: (denial) => log.write(entryOf(denial, generations)),
        cgroupMade: (id, path) => enforcement?.cgroupMade(id, path),
      },
      ending: () => enforcement?.[Symbol.dispose](),
      onStoreFailure: (error) => {
        process.stderr.write(renderFailure(error));
        process.stderr.write('Recording has stopped; enforcement goes on, and ends with status 2.\n');
      },
    },
    names,
  );
  enforcement = new Enforcement(session.egress, names, (text) => process.stderr.write(`Warning: ${text}\n`));
  const backstop = options.backstop ? new BackstopNotes() : undefined;
  try {
    await putInForce(policy, policyHash(text), session, enforcement, generations);
    if (options.backstop) session.egress.attachBackstop(backstopOf(options));
  } catch (error) {
    await session.abort();
    throw error;
  }
  process.stderr.write(describeStart(session, options.db));
  announce(file, enforcement, session, backstop);
  let reloading = Promise.resolve();
  reload = () => {
    // First, because a log rotation must not depend on the policy.
    log.reopen();
    reloading = reloading.then(async () => {
      log = await reloadPolicy(file, options, session, enforcement!, generations, log, backstop);
    });
  };
  if (early) reload();
  let ticks = 0;
  await session.run(() => {
    ticks += 1;
    backstop?.show(session.egress.stoppedPackets ?? 0);
    enforcement.followExecutables();
    if (ticks % SWEEP_EVERY === 0) enforcement.sweep();
    enforcement.findLost(session.egress.counters()[Counter.lostCgroup]!);
    // Its programs tell of no new cgroups.
    if (session.cgroup !== undefined && ticks % FIND_EVERY === 0) enforcement.findCgroups();
  });
  process.off('SIGHUP', onHangup);
  log.close();
  backstop?.end();
  const { failure } = session;
  process.stderr.write(
    (failure === undefined
      ? `Recorded ${session.recording.counters.events} connections; the policy is no longer in force.\n`
      : `Nothing was recorded from ${formatMoment(failure.at)} on; the policy is no longer in force.\n`) +
      describeUnnamed(session.unnamed),
  );
  if (failure !== undefined) throw failure.error;
}

/** The cgroup whose packets the backstop looks at: everybody's, unless only one cgroup is watched. */
function backstopOf({ cgroup }: Options): string {
  return cgroup ?? cgroupRoot();
}

function parse(text: string, file: string, options: Options): Policy {
  const policy = parseText(text, file);
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
  session.recorder.setBoxBase(generation, session.recording.boxes(policy.boxes));
}

/** Reads the policy again, and puts it in force together with its log. Returns the log from here on. */
async function reloadPolicy(
  file: string,
  options: Options,
  session: Session,
  enforcement: Enforcement,
  generations: Generations,
  log: VerdictLog,
  backstop: BackstopNotes | undefined,
): Promise<VerdictLog> {
  try {
    const text = readTrustedPolicyText(file);
    const policy = parse(text, file, options);
    const next = isDeepStrictEqual(policy.log, log.options) ? log : openLog(policy.log);
    try {
      await putInForce(policy, policyHash(text), session, enforcement, generations);
    } catch (error) {
      if (next !== log) next.close();
      throw error;
    }
    if (enforcement.over) return next;
    if (next !== log) log.close();
    announce(file, enforcement, session, backstop);
    return next;
  } catch (error) {
    process.stderr.write(renderFailure(error));
    if (error instanceof BouhekiError) process.stderr.write('The policy that was in force stays.\n');
    return log;
  }
}

function openLog(options: LogOptions): VerdictLog {
  return new VerdictLog(options, (error) => {
    process.stderr.write(`The log cannot be written (${error.message}); enforcement and recording go on.\n`);
  });
}

function announce(
  file: string,
  enforcement: Enforcement,
  session: Session,
  backstop: BackstopNotes | undefined,
): void {
  const { missingInside, policy, unresolved } = enforcement;
  const whole = session.cgroup ?? 'the whole host';
  const allowed = policy.boxes.filter((box) => box.action === 'allow').length;
  process.stderr.write(
    `${policy.mode === 'block' ? 'Blocking' : 'Monitoring'} by ${file}: ` +
      `${policy.boxes.length - allowed} deny and ${allowed} allow entries for ${policy.target === 'host' ? whole : `containers of ${whole}`}.\n`,
  );
  backstop?.begin(policy, enforcement.backstopEntries);
  for (const path of unresolved) {
    process.stderr.write(
      `Warning: ${path} does not exist here; until it does, no rule that names it matches.\n`,
    );
  }
  for (const [path, names] of missingInside) {
    const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
    process.stderr.write(
      `Warning: ${path} does not exist in container ${names.slice(0, SHOWN).join(', ')}${more}; until it does, no rule that names it matches there.\n`,
    );
  }
}

const SOCKET_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(SocketKind).map(([name, kind]) => [kind, name]),
);

/** No container can have this name. */
const UNKNOWN_CONTAINER = '(unknown)';

function entryOf(denial: Denial, generations: Generations): VerdictEntry {
  const { image } = denial;
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
    pid: denial.pid,
    ...(image?.path && { exe: image.path }),
    uid: denial.uid,
    // In a container another user has this id.
    ...(denial.user !== undefined && !image?.inContainer && { user: denial.user }),
    protocol: formatProtocol(denial.protocol),
    ...(image?.parentCommand && { parentCommand: image.parentCommand }),
    ...(image?.ancestors && { ancestors: image.ancestors }),
    ...(image?.inContainer && { container: image.container?.name ?? UNKNOWN_CONTAINER }),
    ...(image?.container?.image && { image: image.container.image }),
    ...(rule !== undefined && { rule }),
    policy: judged?.name ?? '',
  };
}
