import { Command } from 'commander';

const HELP = `
Examples:
  $ bouheki fleet author-key anna.key > anna.pem

Makes a key that signs policies, and prints its public half. Where the file is there already, its public half is printed.
Put the public half into the folder authors of every hub, and keep the file away from hubs: who has it, and the certificate
of an operator, can publish policies.
Exit status: 0 printed, 2 trouble.`;

/** `bouheki fleet author-key FILE`: a key that signs policies. */
export function authorKeyCommand(): Command {
  return new Command('author-key')
    .description('Make a key that signs policies, and print its public half')
    .argument('<file>', 'where the private half is kept, readable by its owner alone')
    .addHelpText('after', HELP)
    .action(async (file: string) => {
      const { makeAuthorKey } = await import('./run/author-key.ts');
      makeAuthorKey(file);
    });
}
