import { resolve } from 'node:path';
import { AgentChild } from '../../fleet/agent/agent-child.ts';
import { AGENT_DIRECTORY, hasJoined } from '../../fleet/self/identity-file.ts';
import type { FleetStatus } from '../../profiler/serve/live-status.ts';
import type { FleetOptions } from '../option/recorder-option.ts';
import { packageVersion } from '../report/version.ts';

/** The directory of the identity of this host, where it has joined a fleet and that is not left out; else undefined. */
export function joinedDirectory({ fleet, fleetDir = AGENT_DIRECTORY }: FleetOptions): string | undefined {
  return fleet === true && hasJoined(fleetDir) ? resolve(fleetDir) : undefined;
}

/** An agent that runs beside this process, or none. */
export interface RunningAgent {
  /** How this host stands with its fleet; undefined: it has not joined one. */
  readonly status: FleetStatus | undefined;
  end(): Promise<void>;
}

/** What a status says of the fleet. */
export function fleetOf(fleet: FleetStatus | undefined): { fleet?: FleetStatus } {
  return fleet === undefined ? {} : { fleet };
}

/** Starts the agent of a host that has joined, and none on others. `enforces`: whether it takes policies of the fleet. */
export function startAgent(
  options: FleetOptions & { db: string },
  enforces: boolean,
  say: (text: string) => void,
): RunningAgent {
  const directory = joinedDirectory(options);
  if (directory === undefined) return { status: undefined, end: async () => undefined };
  const db = resolve(options.db);
  return AgentChild.start({ db, directory, enforces, version: packageVersion() }, say);
}
