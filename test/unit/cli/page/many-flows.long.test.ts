import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { type Browser, type CDPSession, chromium, type Page } from 'playwright-core';
import { batchOf, type Event, processRow, START } from '../../profiler/fixture.ts';
import { record } from '../fixture.ts';
import { startUi } from '../ui/fixture.ts';

/*
 * 100,000 distinct connections in a page, in a file and live: what the thread of the page and `bouheki ui` do for them, in
 * seconds of processor time beside a plain page: how long it takes otherwise is the machine's.
 */

const CHROMIUM = '/usr/bin/chromium';
const MAIN = join(import.meta.dirname, '../../../../bundle/main.js');
const skip = !existsSync(CHROMIUM) && 'needs chromium: apt-get install chromium';

const FLOWS = 100_000;
const PROGRAMS = 50;
/** Milliseconds after which a page of `ui` is made anew, also where reading takes seconds. */
const OLD = 30_000;
/** Seconds until a page is painted, and until it is filtered. */
const MOST = { paint: 2, filter: 0.2 };

const directory = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
let db: string;
let browser: Browser;

before(async () => {
  if (skip !== false) return;
  db = await record(directory, [], {}, (recording) => {
    for (let at = 1; at < PROGRAMS; at += 1) {
      recording.process(processRow({ key: BigInt(at + 1), exe: `/usr/bin/program-${at}`, pid: 200 + at }));
      recording.command(`program-${at}`);
    }
    for (let at = 0; at < FLOWS; at += 500)
      recording.append(
        batchOf(
          Array.from({ length: 500 }, (_, more) => eventOf(at + more)),
          recording,
        ),
      );
  });
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
});

function eventOf(at: number): Event {
  const program = 1 + (at % PROGRAMS);
  return { time: START + at * 1000, process: program, command: program, low: BigInt(0x0a000000 + at) };
}

after(async () => {
  await browser?.close();
  rmSync(directory, { recursive: true, force: true });
});

interface Opened {
  page: Page;
  session: CDPSession;
  /** Until something was painted. */
  seconds: number;
}

/** Seconds of processor time that the thread of a page has taken. */
async function taken(session: CDPSession): Promise<number> {
  const { metrics } = await session.send('Performance.getMetrics');
  return metrics.find(({ name }) => name === 'TaskDuration')!.value;
}

/** Opens a page and waits until it is there and something was painted. */
async function open(url: string): Promise<Opened> {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  await page.goto(url);
  while (!(await page.evaluate(`performance.getEntriesByName('first-contentful-paint').length`)))
    await sleep(100);
  return { page, session, seconds: await taken(session) };
}

/** What a text in the field takes until the rows that fit are laid out and painted. */
async function filter({ page, session }: Opened): Promise<number> {
  await page.evaluate(`document.querySelector('#flows input').scrollIntoView()`);
  await sleep(1000);
  const before = await taken(session);
  await page.fill('#flows input[type=search]', 'program-7');
  await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
  return (await taken(session)) - before;
}

/** What a page with nothing but a text and a field takes. */
async function plain(): Promise<{ paint: number; filter: number }> {
  const file = join(directory, 'plain.html');
  writeFileSync(file, '<!doctype html><title>plain</title><p id="flows">plain <input type="search">');
  const opened = await open(pathToFileURL(file).href);
  const least = { paint: opened.seconds, filter: await filter(opened) };
  await opened.page.context().close();
  return least;
}

/** A page beside the plain one. `made`: seconds that it took to make it, as far as it is made when it is asked for. */
async function assertQuick(t: TestContext, opened: Opened, made: number): Promise<void> {
  const least = await plain();
  const seconds = {
    paint: made + opened.seconds - least.paint,
    filter: (await filter(opened)) - least.filter,
  };
  const [all, shown] = (await opened.page.evaluate(
    `['', ':not([hidden])'].map((which) => document.querySelectorAll('#flows tbody tr' + which).length)`,
  )) as [number, number];
  assert.ok(shown > 0 && shown < all, `${shown} of ${all}`);
  await opened.page.context().close();
  t.diagnostic(
    `made ${made.toFixed(3)} s, plain ${least.paint.toFixed(3)} s and ${least.filter.toFixed(3)} s`,
  );
  for (const what of ['paint', 'filter'] as const) {
    t.diagnostic(`${what}: ${seconds[what].toFixed(3)} s`);
    assert.ok(seconds[what] < MOST[what], `${what} took ${seconds[what]} s`);
  }
}

/** Seconds of processor time of all threads of a process. */
function cpuOf(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce(
    (sum, thread) =>
      sum + Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e9,
    0,
  );
}

test('a report of 100,000 connections is shown and filtered at once', { skip }, async (t) => {
  const file = join(directory, 'report.html');
  execFileSync(process.execPath, [MAIN, 'report', '--db', db, '-o', file], { stdio: 'ignore' });
  await assertQuick(t, await open(pathToFileURL(file).href), 0);
});

test('so is the page of ui, with what it takes to make it anew', { skip }, async (t) => {
  const { child, link } = await startUi(t, ['--db', db]);
  // By then what was read at the start is old.
  await sleep(OLD);
  const before = cpuOf(child.pid!);
  const opened = await open(link);
  const made = cpuOf(child.pid!) - before;
  assert.ok(made > 0.1, 'it was made anew');
  await assertQuick(t, opened, made);
});
