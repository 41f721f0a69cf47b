/**
 * One command as the entry point would run it, but for errors: they end with 2 and print their code and message. Is bundled
 * like the program itself (build.sh), which starts in three quarters of the time.
 */
import type { Command } from 'commander';

const COMMANDS = {
  check: async () => (await import('../../../cli/check.ts')).checkCommand(),
  drift: async () => (await import('../../../cli/drift.ts')).driftCommand(),
  explain: async () => (await import('../../../cli/explain.ts')).explainCommand(),
  export: async () => (await import('../../../cli/export.ts')).exportCommand(),
  generate: async () => (await import('../../../cli/generate.ts')).generateCommand(),
  import: async () => (await import('../../../cli/import.ts')).importCommand(),
  ladder: async () => (await import('../../../cli/control/ladder.ts')).ladderCommand(),
  review: async () => (await import('../../../cli/review.ts')).reviewCommand(),
  simulate: async () => (await import('../../../cli/control/simulate.ts')).simulateCommand(),
  status: async () => (await import('../../../cli/status.ts')).statusCommand(),
} satisfies Record<string, () => Promise<Command>>;

/** The commands that there are here. */
export type CommandName = keyof typeof COMMANDS;

const [name, ...args] = process.argv.slice(2);
const command = await COMMANDS[name as CommandName]();
try {
  await command.exitOverride().parseAsync(args, { from: 'user' });
} catch (error) {
  const { code, message } = error as Error & { code?: string };
  process.stderr.write(`${code}: ${message}\n`);
  process.exitCode = 2;
}
