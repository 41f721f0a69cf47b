import { Command } from 'commander';
import { operatorOption } from './option.ts';
import type { RolloutAction, RolloutOptions } from './run/rollout.ts';

const HELP = `
Examples:
  $ bouheki fleet rollout status web
  $ bouheki fleet rollout pause web --reason "release day"
  $ bouheki fleet rollout abort web

A release goes on by itself while its gates hold: docs/fleet.md has the table. pause keeps every host where it is, resume
begins the stage anew, and abort has all hosts go back to the policy before; that needs no key of an author.
Exit status: 0 done, or the roll-out goes on or has ended well; 1 it is paused or went back; 2 trouble.`;

const SUMMARIES: Record<RolloutAction, string> = {
  status: 'Report how far the newest release of a workload is',
  pause: 'Keep every host where it is',
  resume: 'Go on after a pause',
  abort: 'Have all hosts go back to the policy before',
};

/** `bouheki fleet rollout status|pause|resume|abort WORKLOAD`. */
export function rolloutCommand(): Command {
  const rollout = new Command('rollout')
    .description('Report a roll-out, pause it, resume it, or have all hosts go back')
    .addHelpText('after', HELP);
  for (const action of Object.keys(SUMMARIES) as RolloutAction[]) {
    const command = new Command(action)
      .description(SUMMARIES[action])
      .argument('<workload>', 'the name of the workload')
      .addOption(operatorOption())
      .action(async (workload: string, options: RolloutOptions) => {
        const { rollout: run } = await import('./run/rollout.ts');
        await run(action, workload, options);
      });
    if (action === 'status') command.option('--json', 'print it as JSON', false);
    else command.option('--reason <text>', 'why: for the audit, and for who looks at it', '');
    rollout.addCommand(command);
  }
  return rollout;
}
