import { Argument, Command } from 'commander';
import { completionScript, type Shell } from './completion-script.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const satisfies readonly Shell[];

const HELP = `
Examples:
  $ bouheki completion bash | sudo tee /usr/share/bash-completion/completions/bouheki > /dev/null
  $ bouheki completion zsh | sudo tee /usr/share/zsh/site-functions/_bouheki > /dev/null
  $ bouheki completion fish > ~/.config/fish/completions/bouheki.fish

What it prints is made of the commands of this version: print it again after an upgrade.
Exit status: 0 printed, 2 trouble.`;

/** `bouheki completion SHELL`: what a shell needs to complete commands and options. */
export function completionCommand(): Command {
  return new Command('completion')
    .addArgument(new Argument('<shell>', 'for which shell').choices(SHELLS))
    .addHelpText('after', HELP)
    .action((shell: Shell, _options: object, command: Command) => {
      process.stdout.write(completionScript(shell, command.parent!));
    });
}
