import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ContainerNames } from '../../../../profiler/identity/container.ts';
import { CriO } from '../../../../profiler/identity/runtime/cri-o.ts';
import { Docker } from '../../../../profiler/identity/runtime/docker.ts';
import { type ContainerFacts, RuntimeFailure } from '../../../../profiler/identity/runtime/runtime.ts';

const ID = 'a'.repeat(64);
const WEB: ContainerFacts = { name: 'web', image: 'nginx:1', imageId: 'b'.repeat(64) };
const place = (id = ID, runtime = 'docker') => ({ runtime, id, path: `/docker/${id}` });

/** The socket of a runtime that takes connections and never answers. */
async function hanging(t: TestContext): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  const open = new Set<Socket>();
  const server = createServer((connection) => {
    open.add(connection);
    connection.on('error', () => {}).resume();
  });
  const socket = join(directory, 'api.sock');
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  t.after(() => {
    for (const connection of open) connection.destroy();
    server.close();
    rmSync(directory, { recursive: true });
  });
  return socket;
}

/** A runtime that fails so many times before it answers. */
function failing(times: number, then?: ContainerFacts): ContainerNames {
  let left = times;
  const ask = async () => {
    if (left-- > 0) throw new RuntimeFailure('the answer is HTTP 500: being removed');
    return then;
  };
  return new ContainerNames([{ name: 'docker', ask }]);
}

test('a container goes by its id until its runtime tells the name, and keeps the name when it has gone', () => {
  let facts: ContainerFacts | undefined;
  let looked = 0;
  const find = () => {
    looked += 1;
    return facts;
  };
  const names = new ContainerNames([{ name: 'docker', find }]);
  const web = names.find(place());
  assert.deepEqual([web.name, web.known], [ID.slice(0, 12), false]);
  assert.deepEqual([...names.takeChanged()], []);
  facts = WEB;
  assert.equal(names.find(place()), web);
  assert.deepEqual([web.name, web.image, web.known], ['web', 'nginx:1', true]);
  assert.deepEqual([...names.takeChanged()], [web]);
  facts = undefined;
  names.find(place());
  assert.deepEqual([...names.takeChanged()], []);
  assert.deepEqual([web.name, looked], ['web', 3]);
  assert.equal(names.find(place('c'.repeat(64), 'containerd')).known, false);
});

test('what the runtime answers is added to what its files tell', async () => {
  const answer = Promise.resolve({ ...WEB, labels: { tier: 'front' } });
  const names = new ContainerNames([{ name: 'docker', find: () => WEB, ask: () => answer }]);
  const web = names.find(place());
  assert.deepEqual([web.name, web.labels, web.asked], ['web', undefined, true]);
  await names.settle();
  assert.deepEqual([web.labels, web.asked], [{ tier: 'front' }, false]);
  assert.deepEqual([...names.takeChanged()], [web]);
  assert.equal(names.troubles.size, 0);
});

test('a runtime that hangs keeps nobody waiting, is given up, and that is counted', async (t) => {
  const names = new ContainerNames([new Docker('/nowhere', await hanging(t))], 100);
  const containers = [...'123456'].map((digit) => names.find(place(digit.repeat(64))));
  assert.ok(containers.every(({ known, asked }) => !known && asked));
  while (containers.some(({ asked }) => asked)) await names.settle();
  assert.deepEqual([...names.troubles], [['docker: no answer within 100 ms', 6]]);
});

test('a runtime that fails once is asked again, and one that goes on failing is told with its words', async () => {
  for (const [names, expected] of [
    [failing(2, WEB), ['web', []]],
    [failing(1), [ID.slice(0, 12), []]],
    [failing(3, WEB), [ID.slice(0, 12), [['docker: the answer is HTTP 500: being removed', 1]]]],
  ] as const) {
    const container = names.find(place());
    while (container.asked) await names.settle();
    assert.deepEqual([container.name, [...names.troubles]], expected);
  }
});

test('a runtime is asked about four containers at a time', async () => {
  let open = 0;
  let most = 0;
  const ask = async (): Promise<ContainerFacts> => {
    most = Math.max(most, (open += 1));
    await new Promise(setImmediate);
    open -= 1;
    return WEB;
  };
  const names = new ContainerNames([{ name: 'docker', ask }]);
  const containers = [...'123456789'].map((digit) => names.find(place(digit.repeat(64))));
  await names.settle();
  assert.ok(containers.every(({ known }) => known));
  assert.equal(most, 4);
});

test('a runtime that does not answer in time is asked again', async () => {
  let asked = 0;
  const ask = (_: string, signal: AbortSignal): Promise<ContainerFacts> => {
    asked += 1;
    if (asked > 1) return Promise.resolve(WEB);
    return new Promise((_resolve, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason as Error)),
    );
  };
  const names = new ContainerNames([{ name: 'docker', ask }], 20);
  const web = names.find(place());
  await names.settle();
  assert.deepEqual([web.name, asked, names.troubles.size], ['web', 2, 0]);
});

test('a socket that may not be opened is counted; one that is not there is no trouble', async () => {
  const missing = new ContainerNames([new Docker('/nowhere', '/nowhere/api.sock')]);
  missing.find(place());
  await missing.settle();
  assert.equal(missing.troubles.size, 0);
  // Root may open every socket, so this is what the kernel would say to others.
  const denied = Object.assign(new Error('connect EACCES'), { code: 'EACCES' });
  const names = new ContainerNames([{ name: 'docker', find: () => WEB, ask: () => Promise.reject(denied) }]);
  assert.equal(names.find(place()).name, 'web');
  await names.settle();
  assert.deepEqual([...names.troubles], [['docker: EACCES', 1]]);
});

/** Asks CRI-O about a container, until nothing is open any more. */
async function askThrough(socket: string): Promise<void> {
  const names = new ContainerNames([new CriO('/nowhere', '/nowhere', socket)], 100);
  const container = names.find(place(ID, 'cri-o'));
  while (container.asked) await names.settle();
}

const isLoaded = () =>
  Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes('@grpc'));

test('the library for gRPC takes memory only where a runtime has a socket for it', async (t) => {
  await askThrough('/nowhere/api.sock');
  assert.equal(isLoaded(), false);
  await askThrough(await hanging(t));
  assert.equal(isLoaded(), true);
});

test('a container that was gone before it was looked up goes by its id', async () => {
  const names = new ContainerNames([
    { name: 'docker', find: () => undefined, ask: () => Promise.resolve(undefined) },
  ]);
  const gone = names.find(place());
  await names.settle();
  assert.deepEqual([gone.name, gone.known, gone.asked], [ID.slice(0, 12), false, false]);
  assert.equal(names.troubles.size, 0);
});

test('LXC and systemd-nspawn have told the name in the path', () => {
  const names = new ContainerNames([]);
  for (const runtime of ['lxc', 'nspawn']) {
    const { name, known } = names.find({ runtime, id: `${runtime}-web`, path: '/x' });
    assert.deepEqual([name, known], [`${runtime}-web`, true]);
  }
});

test("a user's cgroup gets no name of a container of root, whatever id it bears", () => {
  const names = new ContainerNames([{ name: 'docker', find: () => WEB }]);
  assert.equal(names.find(place()).name, 'web');
  assert.equal(names.find({ ...place(), user: 1000 }).known, false);
});
