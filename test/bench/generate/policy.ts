import {
  generatePolicy,
  type Generated,
  type GenerateInput,
  type GenerateOptions,
} from '../../../generator/generate.ts';
import { joinAddresses } from '../../../generator/name/by-name.ts';
import type { RecordedObservation } from '../../../profiler/read/read.ts';

/** What all benches generate with, where they do not ask for something else. */
const OPTIONS: GenerateOptions = {
  mode: 'block',
  target: 'host',
  deny: [],
  allowLoss: false,
  includeDenied: false,
  version: 'bench',
};

/** A policy of observations, which may be told apart by names. */
export function policyOf(
  observations: readonly RecordedObservation[],
  options: Partial<GenerateOptions>,
): Generated {
  return generatePolicy(inputOf(observations), { ...OPTIONS, ...options });
}

/** One recording of these observations, of which nothing was lost. */
function inputOf(apart: readonly RecordedObservation[]): GenerateInput {
  const named = apart.some(({ names }) => names !== undefined);
  return {
    observations: named ? joinAddresses(apart) : apart,
    ...(named && { apart }),
    activity: [],
    losses: [],
    recordings: 1,
    interrupted: 0,
  };
}
