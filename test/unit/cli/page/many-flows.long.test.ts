import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { type Browser, type BrowserContext, chromium } from 'playwright-core';
import { batchOf, type Event, processRow, START } from '../../profiler/fixture.ts';
import { record } from '../fixture.ts';
import { startUi } from '../ui/fixture.ts';

/*
 * 100,000 distinct connections in a page, in a file and live: what all processes of the browser and of `bouheki ui` do for
 * them, beside a plain page and beside `node -e 0` at the same moment: what a second of processor time is worth differs from
 * machine to machine, and on one that is shared from minute to minute.
 */

const CHROMIUM = '/usr/bin/chromium';
const MAIN = join(import.meta.dirname, '../../../../bundle/main.js');
const skip = !existsSync(CHROMIUM) && 'needs chromium: apt-get install chromium';

const FLOWS = 100_000;
const PROGRAMS = 50;
/** Milliseconds after which a page of `ui` is made anew, also where reading takes seconds. */
const OLD = 30_000;
/** Until nothing is left to do for a page, milliseconds. */
const IDLE = 1000;
/** Texts that a page is filtered by, one after another, and visits of a page. */
const FILTERS = 10;
const VISITS = 3;
/** A page with nothing but a text and a field. */
const PLAIN = `data:text/html,<!doctype html><title>plain</title><p id="flows">plain <input type="search">`;
/** Seconds of `node -e 0`, 118 million instructions, where a second is a second; how often it is run for one figure. */
const NODE = 0.04;
const RUNS = 5;
/** Such seconds until a page is painted, and until it is filtered. */
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
  // What a browser does for its first page alone.
  await visit({ context: await browser.newContext(), url: PLAIN });
});

function eventOf(at: number): Event {
  const program = 1 + (at % PROGRAMS);
  return { time: START + at * 1000, process: program, command: program, low: BigInt(0x0a000000 + at) };
}

after(async () => {
  await browser?.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Hundredths of a second of processor time, as the kernel has them. */
interface Ticks {
  parent: number;
  /** Of all threads, and of children that have ended. */
  own: number;
  ended: number;
}

function ticksOf(pid: number): Ticks {
  const [, parent, ...fields] = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
    .map(Number);
  const [user, system, endedUser, endedSystem] = fields.slice(9);
  return { parent: parent!, own: user! + system!, ended: endedUser! + endedSystem! };
}

function allTicks(): Map<number, Ticks> {
  const found = new Map<number, Ticks>();
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    try {
      found.set(Number(name), ticksOf(Number(name)));
    } catch {
      // It has ended; its parent has its time by now.
    }
  }
  return found;
}

/** Seconds of processor time of a process and of all that it has started, itself or through others. */
function cpuOf(root: number): number {
  const all = allTicks();
  const isWithin = (pid: number): boolean => pid === root || (all.has(pid) && isWithin(all.get(pid)!.parent));
  const ticks = [...all].reduce((sum, [pid, { ended, own }]) => sum + (isWithin(pid) ? own + ended : 0), 0);
  return ticks / 100;
}

/** Seconds of processor time that `node -e 0` takes at present. */
function nodeSeconds(): number {
  const before = ticksOf(process.pid).ended;
  for (let run = 0; run < RUNS; run += 1) spawnSync(process.execPath, ['-e', '0']);
  return (ticksOf(process.pid).ended - before) / 100 / RUNS;
}

/** The process that has started all others of the browser. */
async function browserPid(): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  return processInfo.find(({ type }) => type === 'browser')!.id;
}

/** Seconds of processor time of all processes of the browser, and of `bouheki ui` where that makes the page. */
interface Cost {
  paint: number;
  /** Of `paint` what `bouheki ui` took. */
  made: number;
  filter: number;
  /** What `node -e 0` took. */
  node: number;
}

interface Visit {
  context: BrowserContext;
  url: string;
  /** `bouheki ui`, where that makes the page. */
  server?: number;
}

/** Opens a page until something was painted, then filters its rows by some texts, one after another. */
async function visit({ context, server, url }: Visit): Promise<Cost> {
  const pid = await browserPid();
  const made = (): number => (server === undefined ? 0 : cpuOf(server));
  const page = await context.newPage();
  await sleep(server === undefined ? IDLE : OLD);
  const node = nodeSeconds();
  const before = { all: cpuOf(pid), made: made() };
  await page.goto(url);
  while (!(await page.evaluate(`performance.getEntriesByName('first-contentful-paint').length`)))
    await sleep(100);
  await page.evaluate(`document.querySelector('#flows input').scrollIntoView()`);
  await sleep(IDLE);
  const painted = { all: cpuOf(pid), made: made() };
  for (let at = 1; at <= FILTERS; at += 1) {
    await page.fill('#flows input[type=search]', `program-${at} `);
    await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
  }
  await sleep(IDLE);
  const filter = (cpuOf(pid) - painted.all) / FILTERS;
  const rows = (await page.evaluate(
    `['', ':not([hidden])'].map((which) => document.querySelectorAll('#flows tbody tr' + which).length)`,
  )) as [number, number];
  assert.deepEqual(rows, url === PLAIN ? [0, 0] : [1000, 1000 / PROGRAMS]);
  await page.close();
  const served = painted.made - before.made;
  return { paint: painted.all - before.all + served, made: served, filter, node: (node + nodeSeconds()) / 2 };
}

/** The middle one of some visits, in seconds of a machine where `node -e 0` takes `NODE`. */
async function middleOf(t: TestContext, what: Visit): Promise<Omit<Cost, 'node'>> {
  const costs: Cost[] = [];
  for (let at = 0; at < VISITS; at += 1) {
    const cost = await visit(what);
    costs.push(cost);
    const text = Object.entries(cost).map(([part, seconds]) => `${part} ${seconds.toFixed(3)}`);
    t.diagnostic(`${what.url === PLAIN ? 'plain: ' : ''}${text.join(', ')} s`);
  }
  const middle = (part: 'paint' | 'made' | 'filter'): number =>
    costs.map((cost) => (cost[part] / cost.node) * NODE).toSorted((a, b) => a - b)[(VISITS - 1) / 2]!;
  return { paint: middle('paint'), made: middle('made'), filter: middle('filter') };
}

/** A page beside one with nothing but a text and a field. Returns what it took to make it. */
async function assertQuick(t: TestContext, what: Visit): Promise<number> {
  const cost = await middleOf(t, what);
  const plain = await middleOf(t, { context: await browser.newContext(), url: PLAIN });
  for (const part of ['paint', 'filter'] as const) {
    const more = cost[part] - plain[part];
    t.diagnostic(`${part}: ${more.toFixed(2)} s beyond a plain page, where node -e 0 takes ${NODE} s`);
    assert.ok(more < MOST[part], `${part} took ${more} s`);
  }
  return cost.made;
}

test('a report of 100,000 connections is shown and filtered at once', { skip }, async (t) => {
  const file = join(directory, 'report.html');
  execFileSync(process.execPath, [MAIN, 'report', '--db', db, '-o', file], { stdio: 'ignore' });
  await assertQuick(t, { context: await browser.newContext(), url: pathToFileURL(file).href });
});

test('so is the page of ui, with what it takes to make it anew', { skip }, async (t) => {
  const { child, link } = await startUi(t, ['--db', db]);
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(link);
  const url = page.url();
  await page.close();
  const made = await assertQuick(t, { context, url, server: child.pid! });
  t.diagnostic(`made: ${made.toFixed(2)} s of that, by ui`);
  assert.ok(made > 0.05, 'it was made anew');
});
