import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { driftJsonSchema } from '../../../../cli/drift/format/json-schema.ts';
import { schemaCheck } from '../../json-schema.ts';
import { directoryFor, FLOW_HEADER, runCommand } from '../fixture.ts';
import { POLICY } from './fixture.ts';

const MAIN = join(import.meta.dirname, '../../../../bundle/main.js');
const PATIENCE = 60_000;
const assertNotice = schemaCheck(driftJsonSchema());

async function until<T>(what: string, look: () => T | undefined | false): Promise<T> {
  for (const deadline = performance.now() + PATIENCE; performance.now() < deadline; await sleep(20)) {
    const found = look();
    if (found !== undefined && found !== false) return found;
  }
  throw new Error(`no ${what}`);
}

class World {
  readonly directory: string;
  readonly #t: TestContext;
  #day = 1;

  constructor(t: TestContext) {
    this.#t = t;
    this.directory = directoryFor(t);
    this.file('policy.yaml', POLICY);
  }

  file(name: string, text: string, mode = 0o600): string {
    const path = join(this.directory, name);
    writeFileSync(path, text, { mode });
    return path;
  }

  /** Records that curl went somewhere, a day after the time before. */
  see(place: string): void {
    const day = String(this.#day++).padStart(2, '0');
    const row = `2026-11-${day}T10:00:00Z,web1,7,curl,/usr/bin/curl,1000,1000,,,${place},tcp,1`;
    const csv = this.file('flows.csv', `${FLOW_HEADER}\n${row}\n`);
    const db = join(this.directory, 'x.duckdb');
    const { status, stderr } = runCommand('import', csv, '--format', 'csv', '--db', db);
    assert.equal(status, 0, stderr);
  }

  /** Starts `drift --watch`, and gives what it has printed so far, and its end by a signal. */
  watch(...args: string[]) {
    const words = [
      MAIN,
      'drift',
      join(this.directory, 'policy.yaml'),
      '--db',
      join(this.directory, 'x.duckdb'),
    ];
    const child = spawn(process.execPath, [...words, '--watch', '--every', '1s', ...args]);
    this.#t.after(() => child.kill('SIGKILL'));
    const said = { stdout: '', stderr: '' };
    child.stdout.on('data', (part) => (said.stdout += part));
    child.stderr.on('data', (part) => (said.stderr += part));
    return { said, end: () => ended(child) };
  }
}

async function ended(child: ChildProcess): Promise<number | null> {
  const over = new Promise<number | null>((resolve) => child.once('exit', resolve));
  child.kill('SIGINT');
  return await over;
}

interface Notice {
  policy: string;
  findings: { destination: string; id: string }[];
}

/** Answers each request as `answer` says, and keeps what came. */
async function hook(t: TestContext, answer: (count: number) => number | undefined) {
  const came: { headers: IncomingHttpHeaders; notice: Notice }[] = [];
  let count = 0;
  const listen: RequestListener = (request, response) => {
    let text = '';
    request.on('data', (part) => (text += part));
    request.on('end', () => {
      const status = answer(count++);
      if (status === undefined) return;
      if (status === 200) came.push({ headers: request.headers, notice: JSON.parse(text) as Notice });
      response.writeHead(status).end('thanks');
    });
  };
  const server = createServer(listen);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { came, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test('a finding is printed and handed to a program once, also after another start, and Ctrl-C ends it with 0', async (t) => {
  const world = new World(t);
  const script = world.file(
    'tell',
    '#!/bin/sh\nprintf "%s\\n" "$@" >"$0.args"\ncat >>"$0.got"\necho said\n',
    0o700,
  );
  world.see('10.0.9.9,22');
  // Arguments are no text for a shell.
  const first = world.watch('--exec', script, '--', '--channel', '$(id); "x"');
  await until('first finding', () => existsSync(`${script}.got`) && first.said.stdout !== '');
  assert.match(first.said.stdout, /^\S+ \S+Z new \(high\) \/usr\/bin\/curl uid 1000: tcp 10\.0\.9\.9:22 \(/);
  world.see('10.0.9.9,22');
  world.see('10.0.9.8,22');
  const got = () =>
    readFileSync(`${script}.got`, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Notice);
  await until('second finding', () => got().length === 2);
  assert.equal(await first.end(), 0, first.said.stderr);
  assert.equal(readFileSync(`${script}.args`, 'utf8'), '--channel\n$(id); "x"\n');
  for (const notice of got()) assertNotice(notice);
  assert.deepEqual(
    got().map(({ findings }) => findings.map(({ destination }) => destination)),
    [['tcp 10.0.9.9:22'], ['tcp 10.0.9.8:22']],
  );
  assert.equal(first.said.stdout.trimEnd().split('\n').length, 2);
  assert.match(first.said.stderr, /^said$/m);
  const second = world.watch('--exec', script, '--json');
  await until('start', () => second.said.stderr.includes('Watching'));
  world.see('10.0.9.7,22');
  await until('third finding', () => got().length === 3 && second.said.stdout !== '');
  assert.equal(await second.end(), 0, second.said.stderr);
  assertNotice(JSON.parse(second.said.stdout));
});

test('a webhook that fails gets it again, with the headers of its file, and what is wrong is said once', async (t) => {
  const world = new World(t);
  world.see('10.0.9.9,22');
  const { came, url } = await hook(t, (count) => (count < 5 ? 503 : 200));
  const file = world.file('webhook', `${url}/secret\nAuthorization: Bearer s3cret\n`);
  const watch = world.watch('--webhook', `@${file}`);
  await until('notice', () => came.length > 0);
  assert.equal(await watch.end(), 0);
  const [{ headers, notice }] = came as [(typeof came)[0]];
  assertNotice(notice);
  assert.deepEqual([headers.authorization, headers['content-type']], ['Bearer s3cret', 'application/json']);
  assert.match(String(headers['user-agent']), /^bouheki\/\d/);
  const failed = `The webhook ${url} was not told of 1 finding: it answered 503. The next round tries again.\n`;
  assert.equal(watch.said.stderr.split(failed).length, 2, watch.said.stderr);
  assert.doesNotMatch(watch.said.stderr, /s(?:3|e)cret/);
  assert.equal(came.length, 1);
});

test('what nobody was told of is told after another start', async (t) => {
  const world = new World(t);
  world.see('10.0.9.9,22');
  const gone = await hook(t, () => 404);
  const first = world.watch('--webhook', gone.url);
  await until('failure', () => first.said.stderr.includes('it answered 404'));
  assert.equal(await first.end(), 0);
  const there = await hook(t, () => 200);
  const second = world.watch('--webhook', there.url);
  await until('notice', () => there.came.length > 0);
  assert.equal(await second.end(), 0);
});

test('a program or webhook that hangs is ended, and what can go on goes on', async (t) => {
  const world = new World(t);
  const script = world.file('hang', '#!/bin/sh\necho $$ >"$0.pid"\nsleep 1000 & wait\n', 0o700);
  world.see('10.0.9.9,22');
  const { url } = await hook(t, () => undefined);
  const watch = world.watch('--exec', script, '--webhook', url, '--timeout', '1s');
  await until('both', () => /took longer than 1s.*\n.*no answer came within 1s/.test(watch.said.stderr));
  assert.equal(await watch.end(), 0);
  const pid = Number(readFileSync(`${script}.pid`, 'utf8'));
  assert.throws(() => process.kill(-pid, 0), { code: 'ESRCH' });
});

test('a policy that breaks and a record that goes away are said, and it goes on when they are back', async (t) => {
  const world = new World(t);
  const watch = world.watch();
  await until('no record', () => /there is no|no database|does not exist/i.test(watch.said.stderr));
  world.see('10.0.9.9,22');
  await until('finding', () => watch.said.stdout.includes('10.0.9.9'));
  await until('record', () => /^All is well again\.$/m.test(watch.said.stderr));
  world.file('policy.yaml', 'version: 2\nnetwork: [\n');
  await until('bad policy', () => watch.said.stderr.includes('is no valid policy'));
  world.file('policy.yaml', POLICY);
  await until('good policy', () => watch.said.stderr.match(/^All is well again\.$/gm)?.length === 2);
  assert.equal(await watch.end(), 0);
});

test('options that would do nothing, and secrets that others could read, are refused', (t) => {
  const world = new World(t);
  const [policy, db] = ['policy.yaml', 'x.duckdb'].map((name) => join(world.directory, name)) as [
    string,
    string,
  ];
  const complaint = (...args: string[]) => runCommand('drift', policy, '--db', db, ...args).stderr;
  assert.match(complaint('--exec', 'x'), /^usage: --exec and --webhook go with --watch alone$/m);
  assert.match(complaint('what'), /^usage: nothing takes what$/m);
  assert.match(
    complaint('--watch', '--format', 'sarif'),
    /^usage: --watch prints text or NDJSON, not sarif$/m,
  );
  assert.match(
    complaint('--watch', '--webhook', 'ftp://x'),
    /^usage: the webhook has no URL of http or https$/m,
  );
  const secret = complaint('--watch', '--webhook', 'https://me:s3cret@hooks.example');
  assert.match(secret, /^usage: a webhook with a password can be read by every user of this host$/m);
  assert.doesNotMatch(secret, /s3cret/);

  assert.match(complaint('--watch', '--webhook', '@/nonexistent'), /^usage: cannot read the webhook/m);
});
