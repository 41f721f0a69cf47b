import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { HeldPolicies } from '../../../../../fleet/agent/policy/held.ts';
import { atEnd } from '../../../at-end.ts';
import { mountReason } from '../../../profiler/fixture.ts';
import { agentHost } from '../../fixture/agent-host.ts';
import { SmallHub, until } from '../../fixture/small-hub.ts';

const policyFor = (comment: string): string =>
  `version: 2\nnetwork:\n  mode: block\n  target: host\n  allow:\n    - to:\n        - cidr: [127.0.0.0/8]\n${comment}`;

test(
  'a policy that the disk has no room for is refused, and the last one stays',
  { skip: mountReason() },
  async (t) => {
    const [hub, host] = [await SmallHub.start(t), await agentHost(t)];
    const directory = await hub.joined(t);
    const held = join(directory, 'held');
    spawnSync('mkdir', [held]);
    assert.equal(
      spawnSync('mount', ['-t', 'tmpfs', '-o', 'mode=0700,size=256k', 'bouheki-test', held]).status,
      0,
    );
    atEnd(t, () => spawnSync('umount', [held]));
    host.start({ directory, trial: 3 });
    await until(() => hub.states.length > 0);
    await hub.offered(hub.offer(policyFor('')));
    await hub.state(({ inForce }) => inForce?.confirmed === true);
    const before = readdirSync(held);
    const large = hub.offer(policyFor(`#${'x'.repeat(400_000)}\n`), { manifest: { revision: 2 } });
    const { inForce, refusal } = await hub.offered(large);
    assert.deepEqual([refusal?.code, inForce?.revision], ['storage', 1]);
    assert.deepEqual(readdirSync(held), before);
    assert.deepEqual(
      [new HeldPolicies(directory).seen()?.revision, host.enforcer.asked],
      [1, ['apply', 'confirm']],
    );
    // Nothing of it is left: what has room is taken again.
    assert.ok(statfsSync(held).bavail > 0);
    const next = await hub.offered(hub.offer(policyFor('# next\n'), { manifest: { revision: 3 } }));
    assert.equal(next.refusal, null);
  },
);
