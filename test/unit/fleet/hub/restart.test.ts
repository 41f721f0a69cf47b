/** A hub that is killed under load loses nothing: the real command, a real engine, real TLS. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { joinAs, TestAgent } from '../fixture/hub.ts';
import { HubProcess } from '../fixture/hub-process.ts';
import { postgresMissing } from '../fixture/postgres.ts';
import { reportingFleet } from '../fixture/reporter.ts';

const options = { skip: postgresMissing };
const made = reportingFleet();

test(
  'a hub that is killed and started again loses nothing, and one that is told to ends in peace',
  options,
  async () => {
    const hub = await HubProcess.start(made);
    after(() => void hub.child.kill('SIGKILL'));
    await hub.report();
    for (let kills = 0; kills < 2; kills++) {
      await hub.reported(20);
      await hub.kill();
      await hub.restart();
    }
    await hub.reported(20);
    // What was stored and not acknowledged was sent again, and is the same row.
    const { acknowledged, stored } = await hub.settle();
    assert.equal(stored, acknowledged);
    const { tls } = await joinAs(hub.token, 'last');
    const agent = new TestAgent(hub.address, tls);
    agent.say();
    await agent.next('welcome');
    hub.child.kill('SIGTERM');
    assert.deepEqual(await once(hub.child, 'exit'), [0, null]);
    assert.equal(agent.all('goodbye').length, 1);
    agent.close();
  },
);
