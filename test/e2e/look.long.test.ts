/** What is looked at live is what the kernel decides: by `ui` at its socket, by `watch`, and by `top` on a terminal. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { policyAgainst, pythonTo } from './attempt.ts';
import { BOUHEKI, bouheki, Running } from './bouheki.ts';
import { asUser, folder, ROOT, startNetwork, stopNetwork, succeeded, USER } from './guest.ts';

const place = folder();
const db = join(place, 'record.duckdb');
const socket = join(place, 'ui.sock');
/** Seconds from a denial until it is shown: a commit is made once a second. */
const SOON = 10;

before(async () => {
  startNetwork();
  const file = join(place, 'policy.yaml');
  writeFileSync(file, policyAgainst('10.0.1.2'), { mode: 0o600 });
  await Running.start('enforce', file, '--db', db);
});
after(stopNetwork);

/** Asks at the socket, as a browser at the other end of a tunnel does. */
async function ask(path: string, cookie?: string): Promise<IncomingMessage> {
  const headers = { host: 'localhost:8080', ...(cookie !== undefined && { cookie }) };
  const asked = request({ socketPath: socket, path, headers, agent: false });
  asked.end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  return response;
}

/** Lets a browser in. Returns its events as they come. */
async function enter(link: string): Promise<AsyncGenerator<Event>> {
  const { headers } = await ask(new URL(link).pathname);
  const cookie = headers['set-cookie']![0]!.split(';')[0]!;
  return eventsOf(await ask(`${headers.location!}events`, cookie));
}

interface Event {
  kind: string;
  data: { following?: boolean; rows?: { verdict: string; who: string; where: string; rule?: string }[] };
}

async function* eventsOf(response: IncomingMessage): AsyncGenerator<Event> {
  let text = '';
  for await (const bytes of response) {
    text += String(bytes);
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const [, kind, data] = /^event: (\w+)\ndata: (.*)$/.exec(text.slice(0, end))!;
      text = text.slice(end + 2);
      yield { kind: kind!, data: JSON.parse(data!) as Event['data'] };
    }
  }
}

/** The first event that fits. */
async function first(events: AsyncGenerator<Event>, fits: (event: Event) => boolean): Promise<Event> {
  for (;;) {
    const { done, value } = await events.next();
    if (done === true) throw new Error('the events ended');
    if (fits(value)) return value;
  }
}

function isDenial({ data }: Event): boolean {
  return data.rows?.some((row) => row.verdict === 'deny' && row.where.startsWith('10.0.1.2:80')) === true;
}

function isRecent({ data }: Event): boolean {
  return Array.isArray(data) && JSON.stringify(data).includes('10.0.1.2:80');
}

test('ui shows a denial within seconds at its socket, another link shows it to another browser', async (t) => {
  const ui = Running.begin('ui', '--db', db, '--socket', socket);
  await ui.printed(/\n/);
  const events = await enter(ui.stdout.trim());
  await first(events, ({ data }) => data.following === true);
  assert.equal(pythonTo('tcp', '10.0.1.2', 80), 'EPERM');
  const denied = performance.now();
  const { data } = await first(events, isDenial);
  const seconds = (performance.now() - denied) / 1000;
  t.diagnostic(`shown ${seconds.toFixed(1)} s after it was denied`);
  assert.ok(seconds < SOON, `${seconds}`);
  const row = data.rows!.find(({ verdict }) => verdict === 'deny')!;
  assert.match(row.who, /python3/);
  assert.equal(row.rule, 'nobody');
  const another = await enter(succeeded(bouheki('ui', '--link', '--db', db)).stdout.trim());
  assert.equal((await first(another, isRecent)).kind, 'recent');
  // Who is no servant of it gets nothing: neither a page nor another link.
  for (const path of [socket, `${db}.ui`]) {
    assert.equal(lstatSync(path).mode & 0o777, 0o600);
    const tried = asUser(
      USER,
      'python3',
      '-I',
      '-S',
      '-c',
      `import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])`,
      path,
    );
    assert.match(tried.stderr, /^PermissionError: \[Errno 13\]/m);
  }
  assert.equal((await ui.end('SIGTERM')).status, 0);
});

test('watch prints it, and top shows it on a terminal and gives that back', async () => {
  const watch = Running.begin('watch', '--denied', '--json', '--db', db);
  await watch.until(/^Watching /m);
  const top = onTerminal('top', '--db', db);
  await top.shown(/SUBJECT/);
  assert.equal(pythonTo('tcp', '10.0.1.2', 443), 'EPERM');
  await watch.printed(/"address":"10\.0\.1\.2"[^\n]*"port":443/);
  await top.shown(/python3/);
  top.child.stdin!.write('v');
  await top.shown(/10\.0\.1\.2:443\/tcp/);
  const exit = once(top.child, 'exit');
  top.child.stdin!.write('q');
  assert.deepEqual(await exit, [0, null]);
  assert.match((await watch.end('SIGTERM')).stderr, /^1 connection in 1 line/m);
});

/** A command on a terminal of its own, of 120 columns. */
function onTerminal(...args: string[]): { child: ChildProcess; shown(pattern: RegExp): Promise<void> } {
  const command = ['stty', 'cols', '120', 'rows', '30', '&&', 'exec', ...BOUHEKI, ...args].join(' ');
  const child = spawn('script', ['-qfec', command, '/dev/null'], {
    cwd: ROOT,
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, TERM: 'xterm' },
  });
  let text = '';
  child.stdout.on('data', (bytes: Buffer) => (text += bytes.toString()));
  return {
    child,
    async shown(pattern) {
      while (!pattern.test(text)) await once(child.stdout, 'data');
    },
  };
}
