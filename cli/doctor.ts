import { Command } from 'commander';
import type { DoctorOptions } from './run/doctor.ts';

const HELP = `
Examples:
  $ sudo bouheki doctor
  $ sudo bouheki doctor --cgroup /sys/fs/cgroup/system.slice    what --cgroup needs of learn and enforce

Loads the kernel side for a moment and removes it again; nothing is recorded or blocked. Without root it can't tell
whether that works.
Exit status: 0 ready, 1 something is missing or can't be told, 2 trouble.`;

/** `bouheki doctor`: what this machine offers, and how to mend what it doesn't. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .option('--cgroup <directory>', 'what it takes to watch this cgroup alone')
    .option('--json', 'print the findings as JSON', false)
    .addHelpText('after', HELP)
    .action(async (options: DoctorOptions) => {
      const { doctor } = await import('./run/doctor.ts');
      await doctor(options);
    });
}
