import { Command, InvalidArgumentError, Option } from 'commander';
import type { ExportPolicyOptions } from '../translate/export-policy.ts';

/** Those that there are; the compiler asks for each. Help loads none of them. */
const TARGETS = Object.keys({
  nftables: true,
  iptables: true,
  ip6tables: true,
  systemd: true,
  kubernetes: true,
  cilium: true,
  'aws-security-group': true,
  'aws-network-acl': true,
  'terraform-security-group': true,
  'terraform-network-acl': true,
} satisfies Record<ExportPolicyOptions['to'], true>);

const HELP = `
Examples:
  $ bouheki export-policy policy.yaml --to nftables -o egress.nft && sudo nft -f egress.nft
  $ bouheki export-policy policy.yaml --to systemd --unit app.service
  $ bouheki export-policy policy.yaml --to aws-security-group --strict > permissions.json

None of them knows programs, some know neither users nor ports nor names. What cannot be told makes an allow rule wider
and leaves a deny rule out; an allow rule by name is left out where there are no names. Each of it is a line on standard
error and in the heading: wider, narrower or other. With --strict nothing is written when there is one that is wider or
narrower.
Exit status: 0 written, 1 not written for --strict, 2 trouble.`;

/** `bouheki export-policy POLICY --to TARGET`: the policy for another enforcer. */
export function exportPolicyCommand(): Command {
  return new Command('export-policy')
    .argument('<policy>', 'a policy file')
    .addOption(new Option('--to <target>', 'what it is written for').choices(TARGETS).makeOptionMandatory())
    .option('--unit <name>', 'with systemd: what the policy says of this unit')
    .addOption(
      new Option(
        '--max-rules <count>',
        'with security groups: rules for each family, 60 unless your account has more; prefixes are merged to fit',
      ).argParser(readCount),
    )
    .option('--strict', 'write nothing when it would do otherwise than the policy', false)
    .option('-o, --output <file>', 'write it there', '-')
    .addHelpText('after', HELP)
    .action(async (file: string, options: ExportPolicyOptions) => {
      const { translate } = await import('../translate/export-policy.ts');
      await translate(file, options);
    });
}

function readCount(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a number of rules.');
}
