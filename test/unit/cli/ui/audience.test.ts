import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Audience } from '../../../../cli/ui/audience.ts';
import type { LiveEvent } from '../../../../cli/ui/door-message.ts';

function connections(count: number): LiveEvent {
  const row = {
    time: '12:00:00',
    isNew: false,
    verdict: 'allow',
    who: 'curl',
    where: 'x'.repeat(400),
  } as const;
  const rows = Array.from({ length: count }, (_, at) => ({ ...row, who: `curl ${at}`, count: 1 }));
  return { connections: { rows, connections: count, new: 0, denied: 0, noted: 0, missed: 0, lost: 0 } };
}

/** What a stream has told of connections, and of those that were left out. */
function sumOf(stream: string): { told: number; missed: number; ended: boolean } {
  let [told, missed] = [0, 0];
  for (const [, kind, data] of stream.matchAll(/event: (\w+)\ndata: (.*)\n\n/g)) {
    const event = JSON.parse(data!) as { connections?: number; count?: number };
    if (kind === 'connections') told += event.connections!;
    if (kind === 'missed') missed += event.count!;
  }
  return { told, missed, ended: stream.includes('event: ended\n') };
}

test('a browser that takes nothing holds nobody up, and is told how much it has missed', async (t) => {
  const audience = new Audience();
  const server = createServer((_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    audience.add(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const open = async (): Promise<IncomingMessage> => {
    const asked = request({ port, agent: false }).end();
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    return response;
  };
  const [slow, quick] = [await open(), await open()];
  let [slowText, quickText] = ['', ''];
  quick.on('data', (bytes: Buffer) => (quickText += bytes.toString()));
  slow.pause();
  const began = performance.now();
  for (let at = 0; at < 400; at += 1) {
    audience.show(connections(100));
    await sleep(1);
  }
  // 16 MB, of which the slow one can have taken what lies in buffers of the kernel.
  assert.ok(performance.now() - began < 20_000);
  slow.on('data', (bytes: Buffer) => (slowText += bytes.toString()));
  slow.resume();
  while (sumOf(slowText).missed === 0) {
    await sleep(20);
    audience.show(connections(1));
  }
  audience.end();
  await Promise.all([once(slow, 'end'), once(quick, 'end')]);
  const [late, prompt] = [sumOf(slowText), sumOf(quickText)];
  assert.ok(late.missed > 0 && late.ended);
  assert.equal(late.told + late.missed, prompt.told + prompt.missed);
  assert.ok(prompt.ended);
});

test('who comes later is shown what was last, and how it stands', async (t) => {
  const audience = new Audience();
  audience.show({ state: { following: true, text: 'Following.' } });
  audience.show(connections(3));
  const server = createServer((_, response) => {
    response.writeHead(200);
    audience.add(response);
    audience.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const text = await (await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)).text();
  assert.match(
    text,
    /^event: state\ndata: {"following":true,"text":"Following\."}\n\nevent: recent\ndata: \[{/,
  );
});
