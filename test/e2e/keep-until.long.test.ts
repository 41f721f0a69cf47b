/** What ends by itself under on_exit: keep does so with nobody left but the kernel, and the next process goes by it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pythonTo } from './attempt.ts';
import { bouheki, Running } from './bouheki.ts';
import { programsLeft, startNetwork, stopNetwork, succeeded } from './guest.ts';
import { Hammer } from './hammer.ts';
import { db, DENIED, KEEP, OTHER, pinned, policyFile, removePins, RULES } from './keeping.ts';

/** How long the rule and the pause last: what comes before the end takes its time in an emulated machine. Seconds. */
const LENGTH = 120;

const running: Running[] = [];

async function start(file: string): Promise<Running> {
  const enforce = await Running.start('enforce', file, '--db', db, '--no-preflight');
  running.push(enforce);
  return enforce;
}

const reached = (): string[] => [DENIED, OTHER].map((address) => pythonTo('tcp', address, 80));

before(startNetwork);
after(async () => {
  for (const each of running) await each.end('SIGKILL');
  removePins();
  stopNetwork();
});

test('a rule ends at its time though its process was killed, and stays ended under the next one', async () => {
  const enforce = await start(
    policyFile('visit.yaml', `  on_exit: keep\n  allow: [{ to: [{ port: [53] }] }]\n`),
  );
  const end = Math.ceil(Date.now() / 1000) + LENGTH;
  const until = new Date(end * 1000).toISOString().replace('.000', '');
  const file = policyFile(
    'visit.yaml',
    `  on_exit: keep
  allow:
    - { name: visit, until: "${until}", to: [{ cidr: [${DENIED}] }] }
    - { name: always, to: [{ cidr: [${OTHER}] }] }
`,
  );
  const said = enforce.stderr.length;
  enforce.signal('SIGHUP');
  await enforce.until(new RegExp(`^Rule "visit" ends by itself at ${until}\\.$`, 'm'), said);
  await enforce.end('SIGKILL');
  assert.equal(pinned().length, 1);
  assert.deepEqual(reached(), ['reached', 'reached']);
  assert.ok(Date.now() < end * 1000, 'it was tried before the end');
  while (Date.now() < end * 1000) await sleep(50);
  const ended = new Hammer(DENIED);
  try {
    assert.deepEqual(reached(), ['EPERM', 'reached']);
    const next = await start(file);
    await next.until(/^Warning: rule "visit" ended at \S+Z: it allows nothing\.$/m);
    await ended.go(20);
    assert.deepEqual(reached(), ['EPERM', 'reached']);
    await next.end('SIGKILL');
    await ended.go(20);
  } finally {
    const results = await ended.end();
    assert.deepEqual(Object.keys(results), ['EPERM'], JSON.stringify(results));
  }
  assert.equal(bouheki('detach').status, 0);
  assert.deepEqual(programsLeft(), []);
});

test('a pause ends at its time though its process was killed', async () => {
  const enforce = await start(KEEP);
  assert.deepEqual(reached(), ['EPERM', 'reached']);
  succeeded(bouheki('pause', '--for', `${LENGTH}s`, '--db', db));
  const latest = Date.now() + LENGTH * 1000;
  await enforce.end('SIGKILL');
  assert.deepEqual(reached(), ['reached', 'reached']);
  assert.ok(Date.now() < latest, 'it was tried before the end');
  while (Date.now() < latest) await sleep(50);
  assert.deepEqual(reached(), ['EPERM', 'reached']);
  assert.equal(bouheki('detach').status, 0);
  assert.deepEqual(programsLeft(), []);
});

test('a policy that is released is open within a second of its end, and the next start says for how long', async () => {
  const file = policyFile('released.yaml', RULES);
  const enforce = await start(file);
  const denied = new Hammer(DENIED);
  try {
    await denied.go(5);
    assert.deepEqual(Object.keys(denied.results), ['EPERM']);
    await enforce.end('SIGKILL');
    const ended = performance.now();
    while (denied.results.reached === undefined && performance.now() < ended + 30_000) await sleep(10);
    const seconds = (performance.now() - ended) / 1000;
    assert.ok(seconds < 1, `open after ${seconds} s`);
  } finally {
    await denied.end();
  }
  const next = await start(file);
  assert.match(next.stderr, /^Nothing was enforced for \d+(s|m)[^:]*: enforcement was cut off at \S+Z\.$/m);
  assert.equal((await next.end('SIGTERM')).status, 0);
  assert.deepEqual(programsLeft(), []);
});
