import { Command, InvalidArgumentError, Option } from 'commander';
import { readDuration } from '../../option/duration.ts';
import { operatorOption, readShare } from './option.ts';
import type { PublishOptions } from './run/publish.ts';

const HELP = `
Examples:
  $ bouheki fleet publish web.yaml --workload web --key anna.key
  $ bouheki fleet publish web.yaml --workload web --key anna.key --key ben.key --mode block --plan plan.yaml
  $ bouheki fleet publish web.yaml --workload web --key anna.key --author ben.pem
  $ bouheki fleet publish web.yaml --workload web --key anna.key --dry-run

Signs the policy and sends it out in stages. Before that it is checked as by \`bouheki check\`, compared with the policy that
the workload holds and with what its agents know, and tried on what its hosts showed: more denials than --max-would-deny,
or a host hold-out above --max-host-holdout, end it. Without --plan: 1 % of the hosts that only report, then that block, then 10 %, 50 % and all, an hour each.
The release before must be signed by authors whose keys are named: --author is for those who do not sign this time.
Exit status: 0 published, 2 trouble.`;

function addPath(path: string, paths: string[] = []): string[] {
  return [...paths, path];
}

function readLife(text: string): number {
  const seconds = readDuration(text);
  if (seconds >= 3600 && seconds <= 3660 * 86_400) return seconds;
  throw new InvalidArgumentError('It must be from an hour to ten years, such as 90d.');
}

function readCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

function readAuthors(text: string): number {
  if (!/^[1-9]\d?$/.test(text)) throw new InvalidArgumentError('It must be from 1 to 99.');
  return Number(text);
}

/** `bouheki fleet publish POLICY`: sign a policy and send it to a workload in stages. */
export function publishCommand(): Command {
  return new Command('publish')
    .description('Sign a policy, and send it to the hosts of a workload in stages')
    .argument('<policy>', 'the policy file')
    .requiredOption('--workload <name>', 'whose hosts are to hold it')
    .requiredOption('--key <file>', 'the key of an author; may be repeated', addPath)
    .addOption(
      new Option('--author <file>', 'the public key of another author; may be repeated')
        .argParser(addPath)
        .default([], 'none'),
    )
    .option(
      '--signed-by <number>',
      'how many of these must have signed the release before; by default as many as --key',
      readAuthors,
    )
    .option('--plan <file>', 'the stages and their limits, YAML or JSON: see docs/fleet.md')
    .addOption(
      new Option(
        '--mode <mode>',
        'the highest mode that it is put in force with; by default its own',
      ).choices(['monitor', 'block']),
    )
    .addOption(
      new Option('--expires <time>', 'after which no host takes it newly')
        .argParser(readLife)
        .default(90 * 86_400, '90d'),
    )
    .addOption(
      new Option('--on-stale <what>', 'what hosts do after that: keep its mode, or only report')
        .choices(['keep', 'monitor'])
        .default('keep'),
    )
    .addOption(
      new Option('--since <time>', 'how far back the policy is tried on what hosts showed')
        .argParser(readDuration)
        .default(14 * 86_400, '14d'),
    )
    .option('--max-would-deny <number>', 'how much of that it may deny', readCount, 0)
    .option(
      '--max-host-holdout <share>',
      'the largest share of what a host did that no other showed, such as 0.02',
      readShare,
    )
    .option('--dry-run', 'check and compare, and publish nothing', false)
    .addOption(operatorOption())
    .addHelpText('after', HELP)
    .action(async (file: string, options: PublishOptions) => {
      const { publish } = await import('./run/publish.ts');
      await publish(file, options);
    });
}
