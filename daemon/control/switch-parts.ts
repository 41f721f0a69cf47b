import type { Policy } from '../../policy/meaning/policy.ts';
import type { EnforcementStatus } from '../../profiler/serve/live-status.ts';
import type { DenialCount } from '../denial/denial-count.ts';
import type { DenialLog } from '../denial/denial-log.ts';
import type { GenerationMemory, JudgingPolicy } from '../denial/generation-memory.ts';
import type { Enforcement } from '../enforcement.ts';
import type { PacketGuard } from '../packet-guard.ts';
import type { Session } from '../session.ts';
import type { Keeper } from './keeper.ts';

/** A policy as the caller reads it, and the file that it is from. */
export interface ReadPolicy extends JudgingPolicy {
  file: string;
  /** The subjects that the breaker has opened, and the policy as it was before. */
  opened?: { names: string[]; closed: ReadPolicy };
}

/** The policy in force as a status names it. */
export type InForce = Omit<EnforcementStatus, keyof DenialCount>;

/** What a policy comes into force with. */
export interface SwitchParts {
  session: Session;
  enforcement: Enforcement;
  log: DenialLog;
  generations: GenerationMemory;
  guard: PacketGuard;
  keeper: Keeper;
  inForce: InForce;
  /** A policy with the paths that processes have: the log names by them the rule that comes nearest. */
  withoutLinks(policy: Policy): Policy;
  say(text: string): void;
}

/** How a policy comes into force. */
export interface How {
  /** Called at the last moment before. */
  before?: () => void;
  /** It is one that pauses: who is exempt. */
  pauses?: string;
}
