import { jsonDocument } from '../terminal/json-document.ts';
import { visible, visibleLines } from '../../error/visible.ts';
import { findKept } from '../../bpf/pin/kept.ts';
import { BPFFS, PIN_REMEDY, whyNotPinned } from '../../bpf/pin/place.ts';
import { provesItself } from '../../bpf/canary.ts';
import { cgroupRoot } from '../../host/cgroup-root.ts';
import { Egress } from '../../bpf/egress.ts';
import { type Attachment, cgroupAttachment, hostAttachment, mayLeaveOut } from '../../bpf/probe.ts';
import { paint, type Style, wantsColour } from '../../output/terminal.ts';
import { requirements, type Requirement, WITHOUT_ROOT } from '../../bpf/requirement.ts';
import { BouhekiError } from '../../error/error.ts';
import { describeKept } from '../../daemon/control/keeper.ts';
import { whyUnasked } from '../../daemon/canary-watch.ts';

/** What `doctor` was asked for, as commander hands it over. */
export interface DoctorOptions {
  cgroup?: string;
  json: boolean;
}

type State = Requirement['state'];

const MARKS: Readonly<Record<State, { text: string; style: Style }>> = {
  ok: { text: 'ok     ', style: 'green' },
  limited: { text: 'limited', style: 'yellow' },
  unknown: { text: 'unknown', style: 'yellow' },
  missing: { text: 'MISSING', style: 'red' },
};

/** Prints what this machine offers, with the verdict. */
export async function doctor({ cgroup, json }: DoctorOptions): Promise<void> {
  const attachment = attachmentFor(cgroup);
  const findings = requirements().map((finding) => withoutNeed(finding, attachment));
  findings.push(...(await tryKernelSide(findings, attachment)), pinning(), ...kept());
  const verdict = verdictOn(findings, attachment);
  if (json) {
    process.stdout.write(jsonDocument('doctor', { ok: verdict.ready, verdict: verdict.text, findings }));
  } else {
    const colour = wantsColour(process.stdout);
    for (const finding of findings) process.stdout.write(line(finding, colour));
    const style = verdict.ready ? 'green' : 'red';
    process.stdout.write(`\n${paint(colour, style, visible(verdict.text))}\n`);
  }
  process.exitCode = verdict.ready ? 0 : 1;
}

/** What `learn` and `enforce` would take; where libbpf can't be asked, any one of the whole host. */
function attachmentFor(cgroup: string | undefined): Attachment {
  if (cgroup !== undefined) return cgroupAttachment(cgroup);
  try {
    return hostAttachment().attachment;
  } catch (error) {
    if (!(error instanceof BouhekiError)) throw error;
    return { backend: 'fmod_ret' };
  }
}

/** Nothing is missing that only another backend needs. */
function withoutNeed(finding: Requirement, { backend }: Attachment): Requirement {
  const { only, state } = finding;
  if (state !== 'missing' || only === undefined || only === backend) return finding;
  return { ...finding, state: 'limited', remedy: `not needed: the backend ${backend} is taken` };
}

/** The one sentence that all findings come to. */
export function verdictOn(
  findings: readonly Requirement[],
  attachment: Attachment,
): { ready: boolean; text: string } {
  const whole = attachment.backend === 'cgroup' ? attachment.cgroup : 'the whole host';
  const needed = findings.filter(({ only }) => only === undefined || only === attachment.backend);
  const missing = needed.filter(({ state }) => state === 'missing');
  const mended = missing.find(({ code }) => code !== 'privilege');
  if (mended !== undefined) {
    const names = missing.map(({ name }) => name).join('; ');
    return { ready: false, text: `Not ready. Missing: ${names}. First, ${mended.remedy}.` };
  }
  if (missing.length > 0) {
    const text = `Can't tell without root whether ${whole} can be watched; nothing else is known to be missing.`;
    return { ready: false, text };
  }
  const less = needed.filter(({ only, state }) => state === 'limited' && only === undefined);
  const limits = less.length === 0 ? '' : ` Limited: ${less.map(({ name }) => name).join('; ')}.`;
  return { ready: true, text: `Ready: learn and enforce can watch ${whole}.${limits}` };
}

/** What can only be found out by doing it. */
const TRIAL = {
  lsm: 'the kernel side loads, attaches and is asked',
  fmod_ret: 'the kernel side loads, attaches and is asked',
  cgroup: 'the kernel side loads and attaches to the cgroup',
};

/** The only sure answer, where nothing that is known stands in its way. */
async function tryKernelSide(
  findings: readonly Requirement[],
  attachment: Attachment,
): Promise<Requirement[]> {
  const missing = findings.filter(({ state }) => state === 'missing');
  if (missing.length === 0) return await trial(attachment);
  if (missing.some(({ code }) => code !== 'privilege')) return [];
  return [{ name: TRIAL[attachment.backend], state: 'unknown', found: WITHOUT_ROOT, code: 'kernel' }];
}

/** Loads it, attaches it, and sees whether the kernel asks it. */
async function trial(attachment: Attachment): Promise<Requirement[]> {
  const requirement = { name: TRIAL[attachment.backend], code: 'kernel' as const };
  try {
    const rings = { connections: 1 << 16, denials: 1 << 16 };
    const blocks = mayLeaveOut(attachment.backend) ? 'twice' : true;
    using egress = Egress.load(attachment, rings, { blocks, known: 1 });
    const finding = { ...requirement, ...(await proof(egress, attachment)) };
    return [finding, packets(egress, attachment), ...secondJudge(egress)];
  } catch (error) {
    if (!(error instanceof BouhekiError)) throw error;
    const found = error.detail ? `${error.message}\n${error.detail}` : error.message;
    return [{ ...requirement, state: 'missing', found, remedy: error.remedy ?? '' }];
  }
}

async function proof(
  egress: Egress,
  attachment: Attachment,
): Promise<Pick<Requirement, 'state' | 'found' | 'remedy'>> {
  if (attachment.backend === 'cgroup') return { state: 'ok', found: attachment.cgroup };
  if (await provesItself(egress))
    return { state: 'ok', found: `by ${attachment.backend}; a connection of our own got EPERM` };
  const { reason, remedy } = whyUnasked(attachment.backend);
  return {
    state: 'missing',
    found: `attached, but a connection of our own was not stopped: ${reason}`,
    remedy,
  };
}

/** What packets show as they leave, which no other hook is shown. */
function packets(egress: Egress, attachment: Attachment): Requirement {
  const requirement = { name: 'packets are looked at as they leave', code: 'kernel' as const };
  const root = attachment.backend === 'cgroup' ? attachment.cgroup : cgroupRoot();
  try {
    egress.attachRouteGuard(root);
    return { ...requirement, state: 'ok', found: `at ${root}` };
  } catch (error) {
    if (!(error instanceof BouhekiError)) throw error;
    return {
      ...requirement,
      state: 'limited',
      found: `${error.message}: a source route that the hooks are not shown is not stopped, and there is no backstop`,
      remedy: 'mount cgroup v2 (mount -t cgroup2 none /sys/fs/cgroup/unified) and hold CAP_NET_ADMIN',
    };
  }
}

/** Whether `on_exit: keep` is possible. */
function pinning(): Requirement {
  const requirement = { name: 'a policy can outlive its process (on_exit: keep)', code: 'kernel' as const };
  const why = whyNotPinned();
  if (why === undefined) return { ...requirement, state: 'ok', found: `bpffs at ${BPFFS}` };
  return { ...requirement, state: 'limited', found: why, remedy: PIN_REMEDY };
}

/** What is enforced although the process has ended that enforced it. */
function kept(): Requirement[] {
  return (findKept() ?? [])
    .filter(({ alive }) => !alive)
    .map(({ about, pid }) => ({
      name: 'a policy that no process holds',
      code: 'kernel' as const,
      state: 'limited' as const,
      found: `the kernel alone enforces ${about === undefined ? 'a policy' : describeKept(about)}, which process ${pid} has left`,
      remedy: '`bouheki enforce` takes over, `bouheki detach` ends it',
    }));
}

/** Where the kernel can leave out the programs that judge: whether others can judge what they did not. */
function secondJudge(egress: Egress): Requirement[] {
  if (!egress.hasSecondJudge) return [];
  const requirement = { name: 'a second judge of what this kernel leaves out', code: 'kernel' as const };
  const why = 'it preempts tasks inside of programs, and leaves out a program that is running there';
  try {
    egress.attachSecondJudge(cgroupRoot());
    return [{ ...requirement, state: 'ok', found: `enforce attaches it at ${cgroupRoot()}: ${why}` }];
  } catch (error) {
    if (!(error instanceof BouhekiError)) throw error;
    return [
      {
        ...requirement,
        state: 'limited',
        found: `${error.message}: ${why}, and what that would have denied is let through`,
        remedy: 'mount cgroup v2 and hold CAP_NET_ADMIN, or boot with preempt=voluntary',
      },
    ];
  }
}

function line({ name, state, found, remedy }: Requirement, colour: boolean): string {
  const mend = state === 'ok' || !remedy ? '' : `         ${remedy}\n`;
  const { style, text } = MARKS[state];
  return `${paint(colour, style, text)}  ${visibleLines(`${name}: ${found}\n${mend}`)}`;
}
