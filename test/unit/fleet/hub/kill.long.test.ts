import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HubProcess } from '../fixture/hub-process.ts';
import { postgresMissing } from '../fixture/postgres.ts';
import { reportingFleet } from '../fixture/reporter.ts';

const KILLS = 100;
/** Milliseconds: a start takes about a second. */
const MOST = 800;
const made = reportingFleet();

test(
  'a hub killed at 100 moments among reports loses nothing and doubles nothing',
  { skip: postgresMissing },
  async (t) => {
    const hub = await HubProcess.start(made);
    after(() => void hub.child.kill('SIGKILL'));
    await hub.report();
    await hub.reported(1);
    let among = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const before = hub.acknowledged;
      // Every other one while it starts, however slow this machine is.
      if (kill % 2 === 0) await hub.reported(0);
      await sleep(Math.random() * MOST);
      if (hub.acknowledged > before) among++;
      await hub.kill();
      hub.begin();
    }
    await hub.kill();
    await hub.restart();
    await hub.reported(1);
    const { acknowledged, stored } = await hub.settle();
    t.diagnostic(`${acknowledged} reports; ${among} of ${KILLS} kills among them`);
    assert.ok(among >= KILLS / 2, 'too few kills were among reports');
    assert.equal(stored, acknowledged);
  },
);
