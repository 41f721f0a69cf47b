import { printJson, visibleLines } from '../error/visible.ts';
import { Command } from 'commander';
import { provesItself } from '../bpf/canary.ts';
import { cgroupRoot } from '../host/cgroup-root.ts';
import { Egress } from '../bpf/egress.ts';
import { requirements, type Requirement } from '../bpf/requirement.ts';
import { BouhekiError } from '../error/error.ts';
import { whyUnasked } from '../daemon/canary-watch.ts';

const HELP = `
Loads the kernel side for a moment and removes it again; nothing is recorded or blocked.
Exit status: 0 nothing is missing, 1 something is missing, 2 trouble.`;

const MARKS = { ok: 'ok     ', limited: 'limited', missing: 'MISSING' };

/** `bouheki doctor`: what this machine offers, and how to mend what it doesn't. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .option('--json', 'print the findings as JSON', false)
    .addHelpText('after', HELP)
    .action(doctor);
}

async function doctor(options: { json: boolean }): Promise<void> {
  const findings = requirements();
  if (findings.every(({ state }) => state !== 'missing')) findings.push(...(await trial()));
  const missing = findings.some((finding) => finding.state === 'missing');
  if (options.json) {
    process.stdout.write(`${printJson({ schema: 'bouheki.doctor/v1', ok: !missing, findings }, 2)}\n`);
  } else {
    for (const finding of findings) process.stdout.write(line(finding));
  }
  process.exitCode = missing ? 1 : 0;
}

/** The only sure answer: load it, attach it, and see whether the kernel asks it. */
async function trial(): Promise<Requirement[]> {
  const requirement = { name: 'the kernel side loads, attaches and is asked', code: 'kernel' as const };
  try {
    using egress = Egress.load({ backend: 'lsm' }, { connections: 1 << 16, denials: 1 << 16 });
    const proven = await provesItself(egress);
    const finding: Requirement = proven
      ? { ...requirement, state: 'ok', found: 'a connection of our own got EPERM' }
      : {
          ...requirement,
          state: 'missing',
          found: `attached, but a connection of our own was not stopped: ${whyUnasked().reason}`,
          remedy: whyUnasked().remedy,
        };
    return [finding, packets(egress)];
  } catch (error) {
    if (!(error instanceof BouhekiError)) throw error;
    const found = error.detail ? `${error.message}\n${error.detail}` : error.message;
    return [{ ...requirement, state: 'missing', found, remedy: error.remedy ?? '' }];
  }
}

/** What packets show as they leave, which no other hook is shown. */
function packets(egress: Egress): Requirement {
  const requirement = { name: 'packets are looked at as they leave', code: 'kernel' as const };
  const root = cgroupRoot();
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

function line({ name, state, found, remedy }: Requirement): string {
  const mend = state === 'ok' || !remedy ? '' : `         ${remedy}\n`;
  return visibleLines(`${MARKS[state]}  ${name}: ${found}\n${mend}`);
}
