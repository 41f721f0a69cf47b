/** A policy goes out to the enforcers of two hosts in stages, and one that would cut them off from the hub does not. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { connect, enforcingFleet, HOSTS, HUB, skip, type Stage } from './fleet.ts';

const ALLOWED = ['192.0.2.10', '192.0.2.20', '192.0.2.30'].map((address) => `${address}/32`);
const STAGES: readonly Stage[] = [
  { name: 'monitor canary', hosts: '50%', mode: 'monitor' },
  { name: 'block canary', hosts: '50%', mode: 'block' },
  { name: 'all', hosts: 'all', mode: 'block' },
];

suite('a roll-out to two enforcers', { skip }, () => {
  const fleet = enforcingFleet();

  test('goes from a canary that reports to one that blocks, and then to all', async () => {
    fleet.publish([...ALLOWED, HUB], STAGES);
    await fleet.says(/^Release 1 of web is in stage 2$/m, /halted|rolling|paused/);
    await fleet.says(/^Release 1 of web is in stage 3$/m, /halted|rolling|paused/);
    await fleet.says(/^Release 1 of web is done$/m, /halted|rolling|paused/);
    for (const name of HOSTS) {
      assert.equal(connect(name, '192.0.2.10'), 'reached');
      assert.equal(connect(name, '192.0.2.40'), 'EPERM');
      await fleet.host(name).logged({ Action: 'BLOCKED', Addr: '192.0.2.40' });
    }
  });

  test('ends where a host would be cut off from its hub, and the operator reads why', async () => {
    fleet.publish(ALLOWED, STAGES.slice(2));
    await fleet.says(/^Release 2 of web is rolled-back/m);
    const { status, stdout } = fleet.ask('rollout', 'status', 'web');
    assert.equal(status, 1);
    assert.match(stdout, /^release 2 of web: rolled-back$/m);
    assert.match(
      stdout,
      /refused it \(web-\d.*\): cut-off: under this policy the agent could not reach the hub 127\.0\.0\.1:8443/,
    );
    for (const name of HOSTS) assert.equal(connect(name, '192.0.2.10'), 'reached');
  });
});
