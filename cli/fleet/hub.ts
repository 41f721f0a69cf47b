import { isIP } from 'node:net';
import { Command, InvalidArgumentError, Option } from 'commander';
import { readDuration } from '../option/duration.ts';
import type { InitOptions, OperatorOptions, TokenOptions } from './run/hub-files.ts';
import type { RunOptions } from './run/hub-run.ts';

const HELP = `
Examples:
  $ sudo bouheki hub init --name hub.example.com
  $ sudo bouheki hub run --store postgres://bouheki@db.example.com/bouheki
  $ sudo bouheki hub token --store postgres://bouheki@db.example.com/bouheki --label role=web --uses 50
  $ sudo bouheki hub operator anna

Each of these has a help text of its own.
Exit status: 0 done, 2 trouble.`;

const INIT = `
Examples:
  $ sudo bouheki hub init --name hub.example.com --name 192.0.2.7
  $ sudo bouheki hub init --name hub.example.com --ca-certificate ca.pem --ca-key ca-key.pem

Makes an authority, the hub's certificate, and the key that signs which host is to hold what. For a second hub copy the
directory: name all hubs here. Public keys of those who sign policies belong into its folder authors.
Exit status: 0 made, 2 trouble.`;

const TOKEN = `
Examples:
  $ sudo bouheki hub token --store postgres://bouheki@db.example.com/bouheki --label role=web --label env=prod --uses 50

Prints one word, with which so many hosts can join. It is a secret until it has expired. The labels decide which workload
a host belongs to, and no host can choose them itself.
Exit status: 0 printed, 2 trouble.`;

const OPERATOR = `
Examples:
  $ sudo bouheki hub operator anna --into /root/operator-anna
  $ sudo bouheki hub operator anna --revoke

Makes a directory with a key, a certificate and the hub's addresses, from which \`bouheki hub\` itself reads nothing. Who has
it can publish policies that authors have signed, but can sign none.
With --revoke the certificates of this name are worth nothing any more at this hub: copy its config.json to the others.
Exit status: 0 done, 2 trouble.`;

const RUN = `
Examples:
  $ sudo bouheki hub run --store postgres://bouheki@db.example.com/bouheki
  $ sudo bouheki hub run --demo

A hub keeps nothing that it can't read again: any number of them can run at the same engine. Several addresses of one
engine (a primary and its standbys) are tried in turn. SIGTERM and SIGINT end it; its agents then go on alone, and connect
again a while later.
Exit status: 0 ended by a signal, 2 trouble.`;

const ROTATE = `
Examples:
  $ sudo bouheki hub rotate --begin
  $ sudo bouheki hub rotate --switch
  $ sudo bouheki hub rotate --end

Replaces the authority of the fleet without a host that has to join again. --begin has the next authority believed beside
the present one; when bouheki_hub_streams_trusting is all of bouheki_hub_streams, --switch has it sign; 30 days later, when
every host has a new certificate, --end has the former one believed no more. Copy the directory to the other hubs after
each step. Tokens from before --switch can't be used after it.
Exit status: 0 done, 2 trouble.`;

/** `bouheki hub`: what runs and looks after a hub. */
export function hubCommand(): Command {
  const command = new Command('hub').addHelpText('after', HELP);
  for (const each of [initCommand(), tokenCommand(), operatorCommand(), runCommand(), rotateCommand()]) {
    command.addCommand(each);
  }
  return command;
}

/** Of a token and of an operator's certificate, seconds. */
const SHORTEST_LIFE = 60;

function directoryOption(): Option {
  return new Option('--dir <directory>', 'where the files of the hub are').default('/etc/bouheki/hub');
}

function storeOption(): Option {
  return new Option(
    '--store <url>',
    'the PostgreSQL that has the state of the fleet; several are one and its standbys',
  )
    .argParser(readStore)
    .default([], 'none');
}

function demoOption(): Option {
  return new Option(
    '--demo [directory]',
    'instead of --store: the PostgreSQL that is installed here, with a database of its own',
  ).preset('/var/lib/bouheki/demo');
}

function collect(text: string, before: string[] = []): string[] {
  return [...before, text];
}

/** A hub would wait for the engine of another text for ever, as it does for one that is away. */
function readStore(text: string, before: string[]): string[] {
  if (/^postgres(ql)?:\/\//.test(text) && URL.canParse(text)) return [...before, text];
  throw new InvalidArgumentError('It must be a URL such as postgres://bouheki@db.example.com/bouheki.');
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) > 0 && Number(text) <= 65_535;
}

function readPort(text: string): number {
  if (isPort(text)) return Number(text);
  throw new InvalidArgumentError('It must be a port from 1 to 65535.');
}

function readListen(text: string): string {
  const [, address = '', port = ''] = /^(\[[^\]]+\]|[^:]+):(\d+)$/.exec(text) ?? [];
  const family = isIP(address.replace(/^\[(.*)\]$/, '$1'));
  const isAddress = address.startsWith('[')
    ? family === 6
    : family === 4 || /^[A-Za-z][\w.-]*$/.test(address);
  if (isAddress && isPort(port)) return text;
  throw new InvalidArgumentError('It must be an address and a port, such as 192.0.2.7:8443 or [::]:8443.');
}

function readCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count > 0 && count <= 1_000_000) return count;
  throw new InvalidArgumentError('It must be a number from 1 to 1000000.');
}

/** Seconds of what is of no use when it ends at once. */
function readLife(text: string): number {
  const seconds = readDuration(text);
  if (seconds >= SHORTEST_LIFE) return seconds;
  throw new InvalidArgumentError('It must be a minute at least, such as 24h.');
}

function readLabel(text: string, before: Record<string, string>): Record<string, string> {
  const [, key, value] = /^([A-Za-z0-9][\w./-]{0,62})=([\w./:@-]{0,253})$/.exec(text) ?? [];
  if (key === undefined || value === undefined) {
    throw new InvalidArgumentError('It must be KEY=VALUE, such as role=web.');
  }
  return { ...before, [key]: value };
}

function initCommand(): Command {
  return new Command('init')
    .description('Make the files of a hub')
    .addOption(directoryOption())
    .requiredOption(
      '--name <host>',
      'a name or address by which hosts reach the hub; repeat it for several',
      collect,
    )
    .option('--port <port>', 'for agents and operators', readPort, 8443)
    .option('--enroll-port <port>', 'for hosts that join', readPort, 8444)
    .option('--domain <name>', 'of the fleet, in certificates', 'bouheki')
    .option('--ca-certificate <file>', 'of an authority of your own, PEM')
    .option('--ca-key <file>', 'its key, PEM')
    .option('--author-threshold <n>', 'how many authors have to sign a policy', readCount, 1)
    .addHelpText('after', INIT)
    .action(async (options: InitOptions) => {
      const { initHub } = await import('./run/hub-files.ts');
      await initHub(options);
    });
}

function tokenCommand(): Command {
  return new Command('token')
    .description('Print a token with which hosts can join')
    .addOption(directoryOption())
    .addOption(storeOption())
    .addOption(demoOption())
    .addOption(
      new Option('--label <key=value>', 'what a host is that joins with it; repeat it for several')
        .argParser(readLabel)
        .default({}, 'none'),
    )
    .option('--uses <n>', 'how many hosts can join with it', readCount, 1)
    .addOption(new Option('--expires <time>', 'for how long').argParser(readLife).default(86_400, '24h'))
    .addHelpText('after', TOKEN)
    .action(async (options: TokenOptions) => {
      const { makeToken } = await import('./run/hub-files.ts');
      await makeToken(options);
    });
}

function operatorCommand(): Command {
  return new Command('operator')
    .description('Make or revoke the certificate of an operator')
    .argument('<name>', 'of the person or machine')
    .addOption(directoryOption())
    .option('--into <directory>', 'where its files are made', '/etc/bouheki/operator')
    .addOption(new Option('--valid <time>', 'for how long').argParser(readLife).default(365 * 86_400, '365d'))
    .option('--revoke', 'take its certificates back instead', false)
    .addHelpText('after', OPERATOR)
    .action(async (name: string, options: OperatorOptions) => {
      const { makeOperator } = await import('./run/hub-files.ts');
      await makeOperator(name, options);
    });
}

function runCommand(): Command {
  return new Command('run')
    .description('Serve agents and operators')
    .addOption(directoryOption())
    .addOption(storeOption())
    .addOption(demoOption())
    .option('--listen <address:port>', 'for agents and operators', readListen, '[::]:8443')
    .option('--enroll-listen <address:port>', 'for hosts that join', readListen, '[::]:8444')
    .option('--metrics <address:port>', 'offer metrics for Prometheus there: 127.0.0.1:9465')
    .option('--keep-weeks <n>', 'how many weeks of evidence are kept', readCount, 8)
    .addHelpText('after', RUN)
    .action(async (options: RunOptions) => {
      const { runHub } = await import('./run/hub-run.ts');
      await runHub(options);
    });
}

function rotateCommand(): Command {
  return new Command('rotate')
    .description('Replace the authority of the fleet, in three steps')
    .addOption(directoryOption())
    .option('--begin', 'have the next authority believed', false)
    .option('--switch', 'have it sign', false)
    .option('--end', 'have the former one believed no more', false)
    .addHelpText('after', ROTATE)
    .action(async (options: { dir: string; begin: boolean; switch: boolean; end: boolean }) => {
      const { rotateHub } = await import('./run/hub-files.ts');
      await rotateHub(options);
    });
}
