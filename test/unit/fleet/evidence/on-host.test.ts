import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../../arbitrary/fast-check.ts';
import { onHosts } from '../../../../fleet/evidence/on-host.ts';
import { fleetRecord } from '../../../../fleet/evidence/record.ts';
import { placesIn } from '../../../../generator/fleet/host-set.ts';
import { flowOf } from '../../../../generator/subject/flow.ts';
import { parsePolicy } from '../../../../policy/file/parse.ts';
import { evaluate } from '../../../../policy/meaning/evaluate.ts';
import { forHost } from '../../../../policy/meaning/host.ts';
import { aggregated, CURL, madeHosts } from '../fixture/made-fleet.ts';

const ADDRESSES = ['10.0.0.1', '10.0.0.2', '10.0.0.3'];
const deeds = fc.array(
  fc
    .uniqueArray(fc.constantFrom(...ADDRESSES), { minLength: 1 })
    .map((addresses) => addresses.map((address) => ({ subject: CURL, address, port: 443 }))),
  { minLength: 1, maxLength: 12 },
);
const rule = fc.record({
  from: fc.record({
    host: fc.option(
      fc.uniqueArray(fc.constantFrom('web-0', 'web-3', 'role=web', 'zone=a'), { minLength: 1 }),
      {
        nil: undefined,
      },
    ),
  }),
  to: fc.uniqueArray(fc.constantFrom(...ADDRESSES), { minLength: 1 }).map((cidr) => [{ cidr }]),
});

test('each part of an observation is judged as the policy of each of its hosts judges it', () => {
  fc.assert(
    fc.property(
      deeds,
      fc.array(rule, { maxLength: 3 }),
      fc.array(rule, { maxLength: 2 }),
      (done, allow, deny) => {
        const hosts = madeHosts(done.length);
        for (const [at, host] of hosts.counted.entries()) if (at % 2 === 0) host.labels.zone = 'a';
        const record = fleetRecord(hosts, aggregated(done), { workload: 'web', minHosts: 1 });
        const text = JSON.stringify({ version: 2, network: { allow, deny } });
        const { policy } = parsePolicy(text, 'policy.yaml');
        const parts = onHosts(policy!, record.observations, hosts.counted);
        const seen = new Set<string>();
        for (const part of parts) {
          for (const place of placesIn(part.hosts!)) {
            const key = `${part.address} ${place}`;
            assert.ok(!seen.has(key));
            seen.add(key);
            const own = forHost(policy!, hosts.counted[place]!);
            const expected = evaluate(own, flowOf(part)).action;
            assert.equal(evaluate(policy!, flowOf(part, record.accounts)).action, expected);
          }
        }
        assert.equal(
          seen.size,
          done.reduce((sum, each) => sum + each.length, 0),
        );
      },
    ),
    { numRuns: 300 },
  );
});
