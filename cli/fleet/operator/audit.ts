import { Command, InvalidArgumentError, Option } from 'commander';
import { readDuration } from '../../option/duration.ts';
import { operatorOption } from './option.ts';
import type { AuditOptions } from './run/audit.ts';

const HELP = `
Examples:
  $ bouheki fleet audit --since 7d

Who has published, commanded a roll-out, changed a workload or the state of a host, and made tokens.
Exit status: 0 printed, 2 trouble.`;

function readMost(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new InvalidArgumentError('It must be a number up to 99999.');
  return Number(text);
}

/** `bouheki fleet audit`: who has changed what. */
export function auditCommand(): Command {
  return new Command('audit')
    .description('Print who has changed what in the fleet')
    .addOption(
      new Option('--since <time>', 'how far back').argParser(readDuration).default(30 * 86_400, '30d'),
    )
    .option('--most <number>', 'how many lines at the most', readMost, 1000)
    .addOption(operatorOption())
    .addHelpText('after', HELP)
    .action(async (options: AuditOptions) => {
      const { audit } = await import('./run/audit.ts');
      await audit(options);
    });
}
