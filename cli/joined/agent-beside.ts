import { resolve } from 'node:path';
import { AgentChild } from '../../fleet/agent/agent-child.ts';
import { AGENT_DIRECTORY, hasJoined } from '../../fleet/self/identity-file.ts';
import type { FleetOptions } from '../option/recorder-option.ts';
import { packageVersion } from '../report/version.ts';

/** The directory of the identity of this host, where it has joined a fleet and that is not left out; else undefined. */
export function joinedDirectory({ fleet, fleetDir = AGENT_DIRECTORY }: FleetOptions): string | undefined {
  return fleet === true && hasJoined(fleetDir) ? resolve(fleetDir) : undefined;
}

/** Starts the agent of a host that has joined, and none on others. `enforces`: whether it takes policies of the fleet. */
export function startAgent(
  options: FleetOptions & { db: string },
  enforces: boolean,
  say: (text: string) => void,
): { end(): Promise<void> } {
  const directory = joinedDirectory(options);
  if (directory === undefined) return { end: async () => undefined };
  const db = resolve(options.db);
  return AgentChild.start({ db, directory, enforces, version: packageVersion() }, say);
}
