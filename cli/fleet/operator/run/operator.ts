import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BouhekiError } from '../../../../error/error.ts';
import { type HubClient, withHub } from '../../../../fleet/wire/client.ts';
import type { StreamMethods } from '../../../../fleet/wire/service.ts';

/** What every command of an operator takes. */
export interface OperatorOptions {
  operator: string;
}

/**
 * Asks the first hub of the operator's directory that answers. Throws BouhekiError `fleet` for a directory that cannot be
 * used, and as the hub answers.
 */
export async function withOperator<Result>(
  { operator }: OperatorOptions,
  work: (hub: HubClient) => Promise<Result>,
): Promise<Result> {
  const tls = {
    trust: readPart(operator, 'trust.pem'),
    certificate: readPart(operator, 'operator.pem'),
    key: readPart(operator, 'operator-key.pem'),
  };
  // Node.js remarks that the client names a server by its address; the certificate is checked against it all the same.
  process.noDeprecation = true;
  return await withHub(addressesIn(operator), tls, work);
}

function addressesIn(directory: string): string[] {
  try {
    const { hub } = JSON.parse(readPart(directory, 'config.json')) as { hub?: unknown };
    if (Array.isArray(hub) && hub.every((each) => typeof each === 'string')) return hub;
  } catch (error) {
    if (error instanceof BouhekiError) throw error;
  }
  throw unusable(directory, 'config.json has no list "hub" of addresses');
}

function readPart(directory: string, name: string): string {
  try {
    return readFileSync(join(directory, name), 'utf8');
  } catch (error) {
    throw unusable(directory, (error as Error).message, error);
  }
}

function unusable(directory: string, detail: string, cause?: unknown): BouhekiError {
  return new BouhekiError('fleet', `${directory} is no directory of an operator`, {
    remedy: 'have one made by `bouheki hub operator`, and name it with --operator',
    detail,
    cause,
  });
}

/** Everything of one kind: of a workload, or of all. */
export async function listOf<Name extends 'Admin/Hosts' | 'Admin/Releases' | 'Admin/Workloads'>(
  hub: HubClient,
  name: Name,
  workload = '',
): Promise<StreamMethods[Name][1][]> {
  const all: StreamMethods[Name][1][] = [];
  for await (const each of hub.stream(name, { workload } as StreamMethods[Name][0])) all.push(each);
  return all;
}
