import assert from 'node:assert/strict';
import { chownSync, mkdtempSync, rmSync, statSync, unlinkSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { askControl } from '../../../daemon/control/control-client.ts';
import type { ControlRequest } from '../../../daemon/control/control-request.ts';
import { ControlServer } from '../../../daemon/control/control-server.ts';
import { BouhekiError } from '../../../error/error.ts';

function databaseIn(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return join(directory, 'record.duckdb');
}

async function serverFor(
  t: TestContext,
  handle: (request: ControlRequest) => Promise<string>,
): Promise<{ db: string; server: ControlServer }> {
  const db = databaseIn(t);
  const server = await ControlServer.listen(db, handle);
  t.after(() => server.close());
  return { db, server };
}

/** What the server answers to a body as it is. */
async function answerTo(db: string, body: string): Promise<{ status: number; text: string }> {
  return await new Promise((resolve, reject) => {
    const sent = request({ socketPath: `${db}.control`, method: 'POST', agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode!, text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

test('what is asked is done, and what there is to say comes back', async (t) => {
  const asked: ControlRequest[] = [];
  const { db } = await serverFor(t, async (what) => {
    asked.push(what);
    return `did ${what.ask}\n`;
  });
  assert.equal(await askControl(db, { ask: 'confirm' }), 'did confirm\n');
  assert.equal(await askControl(db, { ask: 'rollback' }), 'did rollback\n');
  assert.equal(await askControl(db, { ask: 'apply', file: '/etc/p.yaml', within: 60 }), 'did apply\n');
  assert.equal(await askControl(db, { ask: 'shadow', file: '/etc/n.yaml' }), 'did shadow\n');
  assert.deepEqual(asked, [
    { ask: 'confirm' },
    { ask: 'rollback' },
    { ask: 'apply', file: '/etc/p.yaml', within: 60 },
    { ask: 'shadow', file: '/etc/n.yaml' },
  ]);
});

test('a refusal comes back as it was thrown, with its remedy', async (t) => {
  const { db } = await serverFor(t, async () => {
    throw new BouhekiError('usage', 'nothing waits', { remedy: 'look first' });
  });
  await assert.rejects(askControl(db, { ask: 'confirm' }), {
    name: 'BouhekiError',
    code: 'usage',
    message: 'nothing waits',
    remedy: 'look first',
  });
});

test('the socket is open to its owner alone, and is made again where it was removed', async (t) => {
  const { db, server } = await serverFor(t, async () => 'here\n');
  const path = `${db}.control`;
  assert.equal(statSync(path).mode & 0o777, 0o600);
  unlinkSync(path);
  assert.equal(await server.tick(), undefined);
  assert.equal(await askControl(db, { ask: 'confirm' }), 'here\n');
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('without anybody who enforces it is said how to go on', async (t) => {
  await assert.rejects(askControl(databaseIn(t), { ask: 'confirm' }), {
    code: 'no-data',
    message: /^no `bouheki enforce` runs with \/.*record\.duckdb$/,
  });
});

test(
  'root is told as whom to ask the enforcer of an ordinary user, and asks nothing itself',
  { skip: process.getuid!() !== 0 && 'not root' },
  async (t) => {
    let handled = 0;
    const { db } = await serverFor(t, async () => {
      handled += 1;
      return '';
    });
    for (const path of [`${db}.control`, dirname(db)]) chownSync(path, 1000, 1000);
    await assert.rejects(askControl(db, { ask: 'rollback' }), {
      code: 'untrusted',
      message: /^\/.*record\.duckdb can be changed by users other than root: \/.* belongs to uid 1000$/,
      remedy:
        "ask as uid 1000, who made its socket: put `sudo -u '#1000'` before the command. Or end what enforces",
    });
    assert.equal(handled, 0);
  },
);

test('who ends before the answer is told as that', async (t) => {
  const { db, server } = await serverFor(t, async () => {
    server.close();
    return await new Promise<string>(() => undefined);
  });
  await assert.rejects(askControl(db, { ask: 'confirm' }), { code: 'store-busy' });
});

test('what is no request is refused, and nothing comes of it', async (t) => {
  let handled = 0;
  const { db } = await serverFor(t, async () => {
    handled += 1;
    return '';
  });
  const bodies = [
    '',
    'null',
    '[]',
    '{"ask":"end"}',
    '{"ask":"apply"}',
    '{"ask":"apply","file":1}',
    '{"ask":"apply","file":"/p","within":-1}',
    '{"ask":"apply","file":"/p","within":"60"}',
    '{"ask":"confirm"',
    `{"ask":"apply","file":"${'x'.repeat(70_000)}"}`,
  ];
  for (const body of bodies) {
    const { status, text } = await answerTo(db, body);
    assert.equal(status, 409, body.slice(0, 40));
    assert.match(text, /that is no request/);
  }
  assert.equal(handled, 0);
});
