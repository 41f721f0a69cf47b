import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { flow } from '../../../arbitrary/flow.ts';
import { writtenPolicy } from '../../../arbitrary/policy.ts';
import { NAMELESS } from '../../../arbitrary/world.ts';
import { portable } from '../../../../policy/export/portable.ts';
import { type Ability, addressesOf, type Portable } from '../../../../policy/export/rule.ts';
import { evaluate, normalizeFlow } from '../../../../policy/meaning/evaluate.ts';
import type { Flow } from '../../../../policy/meaning/policy.ts';
import { containsAddress } from '../../../../policy/value/cidr.ts';
import { hasPorts } from '../../../../policy/value/protocol.ts';

const NOTHING: Ability = { from: [], names: false, ports: true, deny: false, monitor: false };

/** An enforcer that knows the rules and no process: whether it lets a flow through. */
function enforcerOf({ rules }: Portable): (flow: Flow) => boolean {
  const judged = rules.map((rule) => ({ rule, addresses: addressesOf(rule) }));
  return ({ address, port, protocol }) => {
    const found = judged.find(
      ({ addresses, rule: { ports, protocols } }) =>
        (addresses?.some((prefix) => containsAddress(prefix, address)) ?? true) &&
        (protocols?.includes(protocol) ?? true) &&
        (ports === undefined ||
          (hasPorts(protocol) && ports.some(({ first, last }) => first <= port && port <= last))),
    );
    return found?.rule.action === 'allow';
  };
}

for (const deny of [true, false]) {
  const how = deny ? 'by rules of their own' : 'carved out';
  test(`what an export allows more or less than the policy is noted; denies are ${how}`, () => {
    const found = { exact: 0, allowed: 0, wider: 0, narrower: 0 };
    const property = fc.property(
      writtenPolicy(NAMELESS),
      fc.array(flow(NAMELESS), { minLength: 40, maxLength: 40 }),
      ({ policy, text }, flows) => {
        const exported = portable({ ...policy, mode: 'block', target: 'host' }, { ...NOTHING, deny });
        const passes = enforcerOf(exported);
        const effects = new Set(exported.notes.map(({ effect }) => effect));
        if (effects.has('wider')) found.wider += 1;
        if (effects.has('narrower')) found.narrower += 1;
        for (const each of flows) {
          if (each.socket !== undefined || each.intent) continue;
          const allowed = evaluate({ ...policy, target: 'host' }, each).action === 'allow';
          const exports = passes(normalizeFlow(each));
          if (exports) found.allowed += 1;
          if (exports && !allowed) assert.ok(effects.has('wider'), text);
          if (!exports && allowed) assert.ok(effects.has('narrower'), text);
          if (!effects.has('wider') && !effects.has('narrower')) found.exact += 1;
        }
      },
    );
    fc.assert(property, { numRuns: 400 });
    const { allowed, exact, wider } = found;
    assert.ok(exact > 100 && allowed > 100 && wider > 50, JSON.stringify(found));
  });
}
