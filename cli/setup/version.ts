import { Command } from 'commander';
import { packageVersion } from '../report/version.ts';

const HELP = `
Examples:
  $ bouheki version
  $ bouheki version --json

--json also has the versions of what it stands on, the kernel, how this host would be watched, and the SHA-256 of each
object of the kernel side: what to add to a report of a fault. It needs no right.
Exit status: 0 printed, 2 trouble.`;

/** `bouheki version`: the number alone, or all that a report of a fault needs. */
export function versionCommand(): Command {
  return new Command('version')
    .option('--json', 'print more, as JSON', false)
    .addHelpText('after', HELP)
    .action(async ({ json }: { json: boolean }) => {
      if (!json) {
        process.stdout.write(`${packageVersion()}\n`);
        return;
      }
      const { versionJson } = await import('./version-json.ts');
      process.stdout.write(versionJson());
    });
}
