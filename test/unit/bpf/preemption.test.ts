import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPreemptible, type PreemptionFacts } from '../../../bpf/probe.ts';

const DYNAMIC = '#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-02)';
const VOLUNTARY =
  '# CONFIG_PREEMPT_NONE is not set\nCONFIG_PREEMPT_VOLUNTARY=y\n# CONFIG_PREEMPT is not set\n';

const CASES: [what: string, facts: PreemptionFacts, preemptible: boolean][] = [
  ['a kernel that is not built for it', { version: '#1 SMP Debian 5.10.262-1', config: VOLUNTARY }, false],
  ['a kernel that is built for it', { version: '#1 SMP PREEMPT Sun Nov 1 2026' }, true],
  ['a real-time kernel', { version: '#1 SMP PREEMPT_RT Debian 6.1.176-1', config: VOLUNTARY }, true],
  ['a lazy one', { version: '#1 SMP PREEMPT_LAZY Sun Nov 1 2026' }, true],
  ['one that debugfs tells of', { version: DYNAMIC, modes: 'none voluntary (full)\n' }, true],
  [
    'one whose mode was changed since the boot',
    { version: DYNAMIC, modes: 'none (voluntary) full\n', commandLine: 'quiet preempt=full' },
    false,
  ],
  ['one that is lazy by debugfs', { version: DYNAMIC, modes: 'full (lazy)\n' }, true],
  ['one booted with it', { version: DYNAMIC, commandLine: 'quiet preempt=full', config: VOLUNTARY }, true],
  ['one booted without it', { version: DYNAMIC, commandLine: 'preempt=voluntary quiet' }, false],
  [
    'one whose default is without it',
    { version: DYNAMIC, commandLine: 'quiet xpreempt=full', config: VOLUNTARY },
    false,
  ],
  [
    'one whose default is lazy',
    { version: DYNAMIC, commandLine: 'quiet', config: 'CONFIG_PREEMPT_LAZY=y\n' },
    true,
  ],
  ['one of which nothing is known', { version: DYNAMIC }, true],
];

for (const [what, facts, preemptible] of CASES) {
  test(`${what} preempts ${preemptible ? '' : 'no '}tasks inside the kernel`, () => {
    assert.equal(isPreemptible(facts), preemptible);
  });
}
