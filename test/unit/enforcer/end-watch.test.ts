/** The daemon follows the ends of rules and the clock of the host; that the kernel ends them is another test's subject. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_ENDS, Tables } from '../../../bpf/wire.ts';
import { applyPolicy } from '../../../enforcer/apply.ts';
import { compilePolicy } from '../../../enforcer/compile.ts';
import { EndWatch } from '../../../enforcer/end-watch.ts';
import { endDeadlines } from '../../../enforcer/rule-end.ts';
import { parsePolicy } from '../../../policy/file/parse.ts';
import { ruleEnds } from '../../../policy/meaning/end.ts';
import { KernelTables } from './kernel-tables.ts';

const FIRST = Date.parse('2026-12-01T00:00:00Z') * 1000;
const SECOND = Date.parse('2026-12-02T00:00:00Z') * 1000;
const BOOT = FIRST - 3_600_000_000;
const NEVER = 2n ** 64n - 1n;

/** The clocks at so many seconds after boot. */
const clockAt = (seconds: number, boot = BOOT) => ({ now: BigInt(seconds) * 1_000_000_000n, boot });

function begun(seconds: number) {
  const kernel = new KernelTables();
  const { policy } = parsePolicy(
    'version: 2\nnetwork: { mode: block, allow: [{ name: a, until: 2026-11-30 }, { name: b, until: 2026-12-01 }, { name: c }] }',
    'test',
  );
  const compiled = compilePolicy(policy!, () => undefined);
  const clock = clockAt(seconds);
  const options = { mode: 'block', target: 'host', record: true, cgroups: [], clock } as const;
  applyPolicy(kernel.egress, compiled, options);
  const watch = new EndWatch(kernel.egress);
  watch.begin(kernel.side, { ends: compiled.ends, rules: ruleEnds(policy!) }, clock);
  const end = (at: number) =>
    kernel.tables(kernel.side).tables.getBigUint64(Tables.offset.end + 8 * at, true);
  return { kernel, watch, end };
}

test('ends are put by the clock of the host, and what is behind the last one never comes', () => {
  const { end, kernel } = begun(0);
  assert.equal(end(0), 3_600_000_000_000n);
  assert.equal(end(1), 90_000_000_000_000n);
  assert.equal(end(2), NEVER);
  assert.equal(end(MAX_ENDS), NEVER);
  assert.equal(kernel.ended[kernel.side], 0);
});

test('a rule that ended before the boot has ended when the policy comes into force', () => {
  assert.equal(endDeadlines({ times: [1] }, BOOT)[0], 1n);
  assert.equal(endDeadlines({ times: [Date.parse('9999-12-31') * 1000] }, BOOT)[0], NEVER);
  const { kernel, watch } = begun(3600);
  assert.equal(kernel.ended[kernel.side], 1);
  assert.deepEqual(watch.look(clockAt(3601)), []);
});

test('each end is reported once, when it has come', () => {
  const { kernel, watch } = begun(0);
  assert.deepEqual(watch.look(clockAt(3599)), []);
  assert.deepEqual(watch.look(clockAt(3600)), [{ rule: 'a', until: FIRST, ended: true }]);
  assert.equal(kernel.ended[kernel.side], 1);
  assert.deepEqual(watch.look(clockAt(3601)), []);
  assert.deepEqual(watch.look(clockAt(90_000)), [{ rule: 'b', until: SECOND, ended: true }]);
  assert.equal(kernel.ended[kernel.side], 2);
});

test('a clock that is set moves the ends, on both sides', () => {
  const { end, kernel, watch } = begun(0);
  const day = 86_400_000_000;
  assert.deepEqual(watch.look(clockAt(10, BOOT + day)), [{ rule: 'a', until: FIRST, ended: true }]);
  assert.deepEqual([end(0), end(1)], [1n, 3_600_000_000_000n]);
  assert.deepEqual(watch.look(clockAt(11, BOOT)), [{ rule: 'a', until: FIRST, ended: false }]);
  assert.deepEqual([end(0), end(1)], [3_600_000_000_000n, 90_000_000_000_000n]);
  assert.equal(kernel.ended[kernel.side], 0);
});

test('the side before is followed only while the kernel may go back to it', () => {
  for (const waits of [true, false]) {
    const { end, kernel, watch } = begun(0);
    const other = kernel.side === 0 ? 1 : 0;
    watch.begin(other, { ends: { times: [], lasting: [] }, rules: [] }, clockAt(1), waits);
    assert.deepEqual(watch.look(clockAt(10, BOOT + 86_400_000_000)), []);
    assert.equal(end(0), waits ? 1n : 3_600_000_000_000n);
  }
  const { end, watch } = begun(0);
  watch.clear();
  assert.deepEqual(watch.look(clockAt(10, BOOT + 86_400_000_000)), []);
  assert.equal(end(0), 3_600_000_000_000n);
});

test('a clock that goes a little astray moves nothing', () => {
  const { end, watch } = begun(0);
  assert.deepEqual(watch.look(clockAt(10, BOOT + 90_000)), []);
  assert.equal(end(0), 3_600_000_000_000n);
});
