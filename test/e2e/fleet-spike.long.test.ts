/** A policy that denies what hosts do goes back by itself, from the one host that held it. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { connect, enforcingFleet, HOSTS, HUB, type Name, PATIENCE, skip, type Stage } from './fleet.ts';

const [KEPT, LOST] = ['192.0.2.10', '192.0.2.20'] as const;
const AT_ONCE: readonly Stage[] = [{ name: 'all', hosts: 'all', mode: 'block' }];
/** Denials come within ten seconds, and more where the machine is slow. */
const WITH_CANARY: readonly Stage[] = [
  { name: 'block canary', hosts: '50%', mode: 'block', soak: '5m' },
  { name: 'all', hosts: 'all', mode: 'block' },
];

suite('a policy that spikes denials', { skip }, () => {
  const fleet = enforcingFleet();

  test('is announced by what hosts showed under the policy before', async () => {
    fleet.publish([`${KEPT}/32`, `${LOST}/32`, HUB], AT_ONCE);
    await fleet.says(/^Release 1 of web is done$/m, /halted|rolling|paused/);
    for (const name of HOSTS) {
      assert.equal(connect(name, KEPT), 'reached');
      assert.equal(connect(name, LOST), 'reached');
      assert.equal(connect(name, '192.0.2.30'), 'EPERM');
      fleet.connectOn(name, LOST);
    }
    const deadline = performance.now() + PATIENCE;
    for (let shown = ''; !/2 would be denied/.test(shown);) {
      if (performance.now() > deadline) throw new Error(shown + fleet.story());
      const tried = ['--max-would-deny', '1000', '--dry-run'];
      shown = fleet.publish([`${KEPT}/32`, HUB], WITH_CANARY, ...tried).stderr;
    }
  });

  test('goes back by itself from the canary, and connections work again', async () => {
    fleet.publish([`${KEPT}/32`, HUB], WITH_CANARY, '--max-would-deny', '1000');
    const halted = /^Release 2 of web is halted: it denies what 1 host did before \((web-\d)\)$/m;
    const [, canary] = await fleet.says(halted, /Release 2 of web is (?:done|paused|in stage 2)/);
    await fleet.host(canary as Name).logged({ Action: 'BLOCKED', Addr: LOST });
    await fleet.says(/^Release 2 of web is rolled-back/m);
    const { status, stdout } = fleet.ask('rollout', 'status', 'web');
    assert.equal(status, 1);
    assert.match(stdout, /^release 2 of web: rolled-back\n {2}it denies what 1 host did before/m);
    for (const name of HOSTS) assert.equal(connect(name, LOST), 'reached');
  });
});
