import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BouhekiError } from '../../../error/error.ts';
import { visibleLines } from '../../../error/visible.ts';
import { type Authority, issueClient } from '../../../fleet/identity/authority.ts';
import { certificatesIn, isName, pemOf, uriOf } from '../../../fleet/identity/identity.ts';
import { digestOf, newKey, publicKeyOf } from '../../../fleet/identity/key.ts';
import { digestOfAuthors, isAddress, newSecret, printToken } from '../../../fleet/identity/token.ts';
import { NAMES, readHubFiles, writeHubConfig } from '../../../fleet/hub/files.ts';
import { makeHub, rotateAuthority, type RotationStep } from '../../../fleet/hub/making.ts';
import { writeDurable } from '../../../fleet/self/durable-file.ts';
import { TrustedDirectory } from '../../../host/trusted-directory.ts';
import { type StoreOptions, withEngine } from './store.ts';

/** What `hub init` was asked for. */
export interface InitOptions {
  dir: string;
  name: string[];
  port: number;
  enrollPort: number;
  domain: string;
  caCertificate?: string;
  caKey?: string;
  authorThreshold: number;
}

/** What `hub token` was asked for. */
export interface TokenOptions extends StoreOptions {
  dir: string;
  label: Record<string, string>;
  uses: number;
  /** Seconds. */
  expires: number;
}

/** What `hub operator` was asked for. */
export interface OperatorOptions {
  dir: string;
  into: string;
  /** Seconds. */
  valid: number;
  revoke: boolean;
}

function say(text: string): void {
  process.stdout.write(visibleLines(`${text}\n`));
}

/** Makes the files of a hub. */
export async function initHub(options: InitOptions): Promise<void> {
  const { authorThreshold, dir, domain, enrollPort, name: names, port } = options;
  const hub = names.map((each) => addressOf(each, port));
  const wrong = hub.find((each) => !isAddress(each));
  if (wrong !== undefined || !isName(domain)) {
    throw new BouhekiError('usage', `${wrong ?? domain} is no name that a certificate can have`, {
      remedy: 'name a host or an address with --name, and letters, digits and dots with --domain',
    });
  }
  const enroll = names.map((each) => addressOf(each, enrollPort));
  const config = { names, enroll, hub, domain, authorThreshold, revokedOperators: [] };
  await makeHub(closedDirectory(dir), config, authorityOf(options), Date.now());
  say(`Made the hub ${names.join(', ')} in ${dir}.
Put the public keys of those who sign policies into ${join(dir, 'authors')}, and start it: bouheki hub run`);
}

function addressOf(name: string, port: number): string {
  return name.includes(':') ? `[${name}]:${port}` : `${name}:${port}`;
}

function authorityOf({ caCertificate, caKey }: InitOptions): Authority | undefined {
  if (caCertificate === undefined && caKey === undefined) return undefined;
  if (caCertificate === undefined || caKey === undefined) {
    throw new BouhekiError('usage', '--ca-certificate and --ca-key go together', {
      remedy: 'name both, or none to have an authority made',
    });
  }
  return { certificate: readGiven(caCertificate), key: readGiven(caKey) };
}

function readGiven(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new BouhekiError('usage', `cannot read ${path}`, {
      remedy: 'name a file that you may read',
      detail: (error as Error).message,
      cause: error,
    });
  }
}

/** Makes a token and prints it. */
export async function makeToken(options: TokenOptions): Promise<void> {
  const { authority, authorKeys, config } = readHubFiles(options.dir);
  if (authorKeys.length < config.authorThreshold) {
    process.stderr.write(visibleLines(warningOf(options.dir)));
  }
  const { hash, secret } = newSecret();
  const now = Date.now();
  await withEngine(options, async (engine) => {
    await engine.addToken({
      hash,
      labels: options.label,
      uses: options.uses,
      expires: now + options.expires * 1000,
    });
    await engine.audit('hub', `token for ${options.uses} hosts, ${JSON.stringify(options.label)}`, now);
  });
  const [certificate] = certificatesIn(authority.certificate);
  const { authorThreshold, enroll, hub } = config;
  const authors = digestOfAuthors({ authorKeys, authorThreshold });
  say(printToken({ enroll, hub, authority: digestOf(certificate!), authors, secret }));
}

/** A host learns the keys of authors when it joins, and only then: else a hub could name others. */
function warningOf(dir: string): string {
  return `Warning: ${join(dir, 'authors')} has fewer keys than have to sign a policy. Hosts that join with this token take
no policy: put the public keys of authors there first, and make another token.\n`;
}

/**
 * Makes a directory where nobody else can change a name, nor on the way there: root would overwrite what a link of theirs
 * names. Returns its path without links. Throws BouhekiError `untrusted` for another's.
 */
function closedDirectory(path: string): string {
  using directory = TrustedDirectory.around(join(path, NAMES.config), 'make').directory;
  return directory.path;
}

/** Makes the directory of an operator, or takes its certificates back. */
export async function makeOperator(
  name: string,
  { dir, into, revoke, valid }: OperatorOptions,
): Promise<void> {
  const { authority, config, trustPem } = readHubFiles(dir);
  if (!isName(name)) {
    throw new BouhekiError('usage', `${name} is no name of an operator`, {
      remedy: 'a name has letters, digits, dots and hyphens, 64 at the most',
    });
  }
  if (revoke) {
    const revokedOperators = [...new Set([...config.revokedOperators, name])];
    writeHubConfig(dir, { ...config, revokedOperators });
    say(`Revoked the operator ${name} at this hub; one that runs takes it within seconds.`);
    return;
  }
  if (config.revokedOperators.includes(name)) {
    throw new BouhekiError('fleet', `the operator ${name} was revoked`, {
      remedy: 'use another name: certificates of this one may still be somewhere',
    });
  }
  const place = closedDirectory(into);
  const key = newKey();
  const uri = uriOf(config.domain, 'operator', name);
  const issued = await issueClient(
    authority,
    { uri, publicKey: publicKeyOf(key), life: valid * 1000 },
    Date.now(),
  );
  writeDurable(join(place, 'operator-key.pem'), key);
  writeDurable(join(place, 'operator.pem'), pemOf([issued.certificate]));
  writeDurable(join(place, 'trust.pem'), trustPem);
  writeDurable(join(place, 'config.json'), `${JSON.stringify({ hub: config.hub }, undefined, 2)}\n`);
  say(
    `Made the certificate of the operator ${name} in ${into}, until ${new Date(issued.ends).toISOString()}.`,
  );
}

const STEPS: Record<RotationStep, string> = {
  begin:
    'The next authority is believed from now on. Wait until every agent believes it, then: bouheki hub rotate --switch',
  switch:
    'The next authority signs from now on. In 30 days, when every host is renewed: bouheki hub rotate --end',
  end: 'The former authority is believed no more.',
};

/** Does one step of replacing the authority. */
export async function rotateHub(options: { dir: string } & Record<RotationStep, boolean>): Promise<void> {
  const steps = (Object.keys(STEPS) as RotationStep[]).filter((step) => options[step]);
  const [step] = steps;
  if (step === undefined || steps.length > 1) {
    throw new BouhekiError('usage', 'one step is done at a time', {
      remedy: 'name one of --begin, --switch and --end',
    });
  }
  await rotateAuthority(options.dir, step, Date.now());
  say(STEPS[step]);
}
