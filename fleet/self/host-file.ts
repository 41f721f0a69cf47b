import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeDurable } from './durable-file.ts';
import { AGENT_DIRECTORY, joinedAs } from './identity-file.ts';

/** What this host is called in its fleet: the agent writes it whenever a hub says so. */
const FILE = 'host.json';

/** A host in its fleet. */
export interface FleetHost {
  id: string;
  name: string;
  labels: Record<string, string>;
}

/**
 * What the file says of this host. Undefined where there is none, as on a host that has not joined a fleet, and where it
 * cannot be read, or is of another host than the one that joined, as an agent that runs on after `leave` may write it: rules
 * for named hosts then allow nothing.
 */
export function readHostFile(directory = AGENT_DIRECTORY): FleetHost | undefined {
  try {
    const { id, labels, name } = Object(JSON.parse(readFileSync(join(directory, FILE), 'utf8'))) as Record<
      string,
      unknown
    >;
    const isThis = isText(id) && id === joinedAs(directory);
    return isThis && isText(name) && isLabels(labels) ? { id, name, labels } : undefined;
  } catch {
    return undefined;
  }
}

function isLabels(value: unknown): value is Record<string, string> {
  return typeof value === 'object' && value !== null && Object.values(value).every(isText);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/** Stores what a hub has said of this host. Throws what the system says. */
export function writeHostFile({ id, labels, name }: FleetHost, directory = AGENT_DIRECTORY): void {
  writeDurable(join(directory, FILE), `${JSON.stringify({ id, name, labels }, undefined, 2)}\n`);
}
