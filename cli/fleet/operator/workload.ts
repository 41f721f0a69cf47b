import { Command, InvalidArgumentError } from 'commander';
import { operatorOption } from './option.ts';
import type { SetOptions } from './run/workload.ts';
import type { OperatorOptions } from './run/operator.ts';

const HELP = `
Examples:
  $ bouheki fleet workload set web --select role=web --select env=prod
  $ bouheki fleet workload set web-canary --select role=web --select canary=yes --order 1
  $ bouheki fleet workload list

A workload has the hosts with all of its labels. A host that several select belongs to the one with the lowest order. Labels
come from the token that a host joined with.
Exit status: 0 done, 2 trouble.`;

function addLabel(text: string, labels: Record<string, string> = {}): Record<string, string> {
  const [, name, value] = /^([A-Za-z0-9][\w./-]{0,62})=([^\s=]{1,255})$/.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError('It must be a label such as role=web.');
  return { ...labels, [name]: value! };
}

function readOrder(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

/** `bouheki fleet workload set|list`: which hosts have one policy. */
export function workloadCommand(): Command {
  const set = new Command('set')
    .description('Name the hosts that have one policy, by their labels')
    .argument('<workload>', 'its name')
    .requiredOption('--select <label=value>', 'what its hosts have; may be repeated: all of them', addLabel)
    .option('--order <number>', 'which goes first where several select a host', readOrder, 100)
    .addOption(operatorOption())
    .action(async (name: string, options: SetOptions) => {
      const { setWorkload } = await import('./run/workload.ts');
      await setWorkload(name, options);
    });
  const list = new Command('list')
    .description('List workloads in their order, with their hosts and releases')
    .addOption(operatorOption())
    .action(async (options: OperatorOptions) => {
      const { listWorkloads } = await import('./run/workload.ts');
      await listWorkloads(options);
    });
  return new Command('workload')
    .description('Say which hosts have one policy, or list that')
    .addCommand(set)
    .addCommand(list)
    .addHelpText('after', HELP);
}
