import type { LogShare } from '../../enforcer/log/log-share.ts';
import type { RecorderListeners } from '../../profiler/record/recorder.ts';
import type { Breaker } from './breaker.ts';
import type { DenialCount } from './denial-count.ts';
import { entryOf, excessOf, payerOf } from './denial-entry.ts';
import type { GenerationMemory } from './generation-memory.ts';

/** Counts what was denied, and logs it. */
export function denialListeners(
  denials: DenialCount,
  share: LogShare,
  generations: GenerationMemory,
  breaker: Breaker,
): Required<Pick<RecorderListeners, 'denied' | 'excess'>> {
  return {
    denied: (denial) => {
      breaker.add(denial);
      denials.add(denial);
      share.write(payerOf(denial), entryOf(denial, generations.find(denial.generation)));
    },
    excess: (excess) => {
      denials.add(excess);
      share.write(payerOf(excess), excessOf(excess));
    },
  };
}
