import { Command } from 'commander';
import { fleetDriftCommand } from './evidence/drift.ts';
import { fleetExportCommand } from './evidence/export.ts';
import { fleetQueryCommand } from './evidence/query.ts';
import { auditCommand } from './operator/audit.ts';
import { authorKeyCommand } from './operator/author-key.ts';
import { hostStateCommands } from './operator/host-state.ts';
import { hostsCommand } from './operator/hosts.ts';
import { publishCommand } from './operator/publish.ts';
import { rolloutCommand } from './operator/rollout.ts';
import { statusCommand } from './operator/status.ts';
import { workloadCommand } from './operator/workload.ts';

const HELP = `
Examples:
  $ bouheki fleet workload set web --select role=web
  $ bouheki fleet publish web.yaml --workload web --key anna.key
  $ bouheki fleet rollout status web
  $ bouheki fleet status

All but author-key ask a hub, with the certificate of an operator: see \`bouheki hub\`. Each has a help text of its own.
Exit status: 0 fine, 1 findings, 2 trouble.`;

/** `bouheki fleet`: what an operator does with a fleet. */
export function fleetCommand(): Command {
  const fleet = new Command('fleet').description('Publish policies to a fleet of hosts, and look at it');
  const commands = [
    statusCommand(),
    fleetDriftCommand(),
    fleetQueryCommand(),
    fleetExportCommand(),
    hostsCommand(),
    workloadCommand(),
    publishCommand(),
    rolloutCommand(),
    ...hostStateCommands(),
    auditCommand(),
    authorKeyCommand(),
  ];
  for (const command of commands) fleet.addCommand(command);
  return fleet.addHelpText('after', HELP);
}
