import { requireAll } from '../../bpf/requirement.ts';
import { blocksSome } from '../../policy/meaning/mode.ts';
import { Guarding } from '../../daemon/control/guarding.ts';
import { keptAlone, scopeOf } from '../../daemon/control/keeper.ts';
import { type ReadPolicy } from '../../daemon/control/switch-parts.ts';
import { ServiceNotice } from '../../daemon/control/service-notice.ts';
import { ReloadSignal } from '../../daemon/hang-up.ts';
import { type Messages, withMessages } from '../../daemon/messages.ts';
import { PolicySource } from '../option/policy-source.ts';
import { requireRecordable } from '../../profiler/database/lock.ts';
import { describeHangUp } from '../report/recorder-messages.ts';
import { type EnforceOptions } from '../option/recorder-option.ts';
import { WatchBeside } from '../live/beside.ts';
import { attachmentOf } from './attachment.ts';
import { joinedDirectory, type RunningAgent, startAgent } from '../joined/agent-beside.ts';
import { FleetSource } from '../joined/fleet-source.ts';
import { BouhekiError } from '../../error/error.ts';
import { EnforceRun } from './enforce-run.ts';

/** Judges and records by the policy of a file, or of the fleet, until a signal comes. */
export async function enforce(file: string | undefined, options: EnforceOptions): Promise<void> {
  if (file === undefined && joinedDirectory(options) === undefined) {
    throw new BouhekiError('usage', 'no policy is named, and this host has not joined a fleet', {
      remedy: 'name a policy file, or join a fleet with the token of a hub',
    });
  }
  requireRecordable(options.db);
  await withMessages((messages) => judge(file, options, messages));
}

async function judge(file: string | undefined, options: EnforceOptions, messages: Messages): Promise<void> {
  const notice = new ServiceNotice();
  const signal = new ReloadSignal(() => messages.say(describeHangUp('enforcement')));
  const say = messages.say.bind(messages);
  const { first: read, source } = policiesOf(file, options, say);
  // What a fleet has confirmed is in force before anything else happens.
  if (file !== undefined && (await lookFirst(read, options, messages)) === 'stop') {
    process.exitCode = 1;
    return;
  }
  using guarding = Guarding.begin(options.guardKey, attachmentOf(options).attachment, read.policy);
  let agent: RunningAgent | undefined;
  const run = await EnforceRun.open({
    source,
    read,
    options,
    messages,
    guarding,
    fleet: () => agent?.status,
  });
  run.describe(options.db);
  notice.ready(run.summary);
  signal.serve(() => run.reload());
  // The log shows what is denied, where it is on the same terminal.
  const shown = read.policy.log.output === undefined ? ['--verdict', 'allow'] : [];
  const beside = WatchBeside.start(options.watch, options.db, shown);
  agent = startAgent(options, file === undefined, say);
  await run.carry(notice);
  await agent.end();
  await beside?.end();
  // Still listened to: what is left to be said must not be cut off.
  signal.ignore();
  await run.end();
}

/** The policy to begin with, and what reads those that come later. */
function policiesOf(
  file: string | undefined,
  options: EnforceOptions,
  say: (text: string) => void,
): { first: ReadPolicy; source: Pick<PolicySource, 'read'> } {
  if (file === undefined) {
    const source = new FleetSource(joinedDirectory(options)!, say);
    return { first: source.first(), source };
  }
  const source = new PolicySource(options.mode, say, options.fleetDir);
  return { first: source.read(file), source };
}

/** Before anything is blocked: what that would do here. Where nothing is to be blocked there is nothing to look at. */
async function lookFirst(
  read: ReadPolicy,
  options: EnforceOptions,
  messages: Messages,
): Promise<'go' | 'stop'> {
  if (!blocksSome(read.policy) || options.preflight === false) return 'go';
  // What this host lacks is said first.
  const { attachment } = attachmentOf(options);
  requireAll(attachment.backend);
  const kept = keptAlone(scopeOf(attachment));
  if (kept?.hash === read.hash) {
    messages.say(`No pre-flight: the kernel enforces the policy ${read.hash} already.\n`);
    return 'go';
  }
  // Not before: it takes as much code as all the rest.
  const { preflight } = await import('../preflight/preflight.ts');
  return await preflight(read, options, (text) => messages.say(text));
}
