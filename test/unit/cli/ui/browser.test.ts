import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { endAtEnd } from '../../at-end.ts';
import { HOSTILE, hostileRecord } from '../page/hostile-record.ts';
import { answer, MAIN, marked, noTerminal } from '../review-fixture.ts';
import { startUi } from './fixture.ts';

const CHROMIUM = '/usr/bin/chromium';
const skip = !existsSync(CHROMIUM) && 'needs chromium: apt-get install chromium';
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

const directory = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
const policy = join(directory, 'policy.yaml');
let db: string;
let browser: Browser;

before(async () => {
  if (skip !== false) return;
  db = await hostileRecord(directory);
  const text = execFileSync(process.execPath, [MAIN, 'generate', '--db', db, '--allow-loss'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  writeFileSync(policy, text, { mode: 0o600 });
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
});

after(async () => {
  await browser?.close();
  rmSync(directory, { recursive: true, force: true });
});

interface Opened {
  page: Page;
  /** What the browser says of it, and asks for elsewhere. */
  noticed: string[];
}

/** Opens a link, and notes all that the browser says of the page and asks others for. */
async function open(link: string, options: BrowserContextOptions = {}): Promise<Opened> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const noticed: string[] = [];
  page.on('console', (message) => noticed.push(message.text()));
  page.on('pageerror', (error) => noticed.push(String(error)));
  page.on('dialog', (dialog) => noticed.push(dialog.message()));
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(link).origin) noticed.push(request.url());
  });
  await page.goto(link);
  return { page, noticed };
}

/** Waits until an expression holds in a page, whose policy lets no text be run by the page itself. */
async function until(page: Page, expression: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await page.evaluate(expression))) {
    if (Date.now() > deadline) throw new Error(`in vain: ${expression}`);
    await sleep(50);
  }
}

async function assertUsable(page: Page, width: number): Promise<void> {
  assert.equal(
    await page.evaluate('document.documentElement.scrollWidth'),
    width,
    `${page.url()} leaves the window`,
  );
  await page.evaluate(readFileSync(AXE, 'utf8'));
  const found = await page.evaluate(
    `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ' ' + nodes[0].html))`,
  );
  assert.deepEqual(found, []);
}

test(
  'page and review open on each width, light and dark, without an error, and everybody can use them',
  { skip },
  async (t) => {
    const { link } = await startUi(t, [policy, '--edit', '--db', db]);
    // axe-core runs in the page, which lets no script in but its own.
    const { noticed, page } = await open(link, { bypassCSP: true });
    await until(page, `document.querySelector('#state').textContent.startsWith('No recorder')`);
    const home = page.url();
    for (const path of ['', 'review', 'review?answer=deny']) {
      await page.goto(`${home}${path}`);
      for (const width of [400, 1280, 1920]) {
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.setViewportSize({ width, height: 900 });
          await page.emulateMedia({ colorScheme });
          await assertUsable(page, width);
        }
      }
    }
    assert.deepEqual(noticed, []);
    await page.context().close();
  },
);

test(
  'what happens now is shown as text, as it happens, and can be filtered and held',
  { skip },
  async (t) => {
    const path = join(directory, 'live.duckdb');
    const recorder = spawn(process.execPath, [join(import.meta.dirname, 'hostile-recorder-child.js'), path], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    endAtEnd(t, recorder);
    await once(recorder.stdout, 'data');
    const { link } = await startUi(t, ['--db', path]);
    const { noticed, page } = await open(link);
    await page.waitForSelector('#now.following');
    await until(page, `document.querySelectorAll('#now tbody tr').length >= ${HOSTILE.length}`);
    const shown = (await page.evaluate(
      `[...document.querySelectorAll('#now tbody tr')].map((row) => row.cells[3].textContent)`,
    )) as string[];
    assert.ok(
      shown.some((each) => each.startsWith('/tmp/<script>alert(1)</script> ')),
      shown.join(),
    );
    assert.ok(shown.some((each) => each.startsWith('/usr/bin/\\u{202e}gnp.exe ')));
    for (const each of shown) assert.ok(each.length <= 120 && !each.includes('\u202e'));
    const connections = Number(
      (await page.textContent('#now [data-fact=connections] dd'))!.replaceAll(',', ''),
    );
    assert.ok(connections >= HOSTILE.length);
    // The recorder has one of each in every batch.
    const [denied, noted] = (await page.evaluate(
      `['denied', 'noted'].map((fact) => document.querySelector('#now [data-fact=' + fact + '] dd').textContent)`,
    )) as [string, string];
    assert.match(denied, /^[1-9]/);
    assert.equal(noted, denied);
    await page.fill('#now input[type=search]', '<SCRIPT>');
    await until(page, `document.querySelectorAll('#now tbody tr:not([hidden])').length === 1`);
    await page.fill('#now input[type=search]', '');
    await page.check('#now input[name=denied]');
    await until(
      page,
      `[...document.querySelectorAll('#now tbody tr:not([hidden])')].every((row) => row.cells[2].textContent !== 'allowed')`,
    );
    await page.click('#now button');
    const before = await page.textContent('#now tbody');
    await until(page, `/^Paused, [1-9]/.test(document.querySelector('#now output').textContent)`);
    assert.equal(await page.textContent('#now tbody'), before);
    await page.click('#now button');
    await until(page, `/ rows$/.test(document.querySelector('#now output').textContent)`);
    recorder.kill('SIGTERM');
    await page.waitForSelector('#now:not(.following)');
    assert.match((await page.textContent('#state'))!, /The recorder has ended|No recorder runs/);
    assert.deepEqual(noticed, []);
    await page.context().close();
  },
);

test('its own policy lets its style and scripts pass, and no name runs', { skip }, async (t) => {
  const { link } = await startUi(t, [policy, '--edit', '--db', db]);
  const { noticed, page } = await open(link);
  await until(page, `document.querySelector('#state').textContent.startsWith('No recorder')`);
  await page.goto(`${page.url()}review?answer=deny`);
  assert.match((await page.textContent('.diff'))!, /<script>alert\(1\)<\/script>/);
  await page.keyboard.press('Escape');
  await page.waitForURL((url) => url.search === '');
  assert.deepEqual(noticed, []);
  // Nor can a page of it be put into another, or scripts of others be let in.
  await page.evaluate(`new Promise((resolve) => {
    const script = document.createElement('script');
    try { script.textContent = 'window.ran = true'; } catch {}
    document.body.append(script);
    setTimeout(resolve, 50);
  })`);
  assert.equal(await page.evaluate('window.ran'), undefined);
  await page.context().close();
});

test(
  'a page of another origin can neither read it nor decide, though the browser has its cookie',
  { skip },
  async (t) => {
    const { db: record, file } = await marked(t);
    const { link } = await startUi(t, [file, '--edit', '--db', record]);
    const { page } = await open(link);
    const own = page.url();
    const text = readFileSync(file, 'utf8');
    const { createServer } = await import('node:http');
    const server = createServer((_, response) => {
      response.setHeader('Content-Type', 'text/html');
      response.end(
        `<iframe name=inside src="${own}"></iframe><form method=post action="${own}review"><input name=do value=undo></form>`,
      );
    }).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    // The same site to a browser, which sends the cookie.
    const other = await page.context().newPage();
    await other.goto(`http://127.0.0.1:${(server.address() as { port: number }).port}/`);
    assert.equal(
      await other.evaluate(
        `fetch(${JSON.stringify(own)}, { credentials: 'include' }).then(() => 'read', () => 'refused')`,
      ),
      'refused',
    );
    const inside = other.frames().find((frame) => frame.name() === 'inside');
    assert.equal(await inside?.$('#now'), null);
    await other.evaluate(`document.querySelector('form').submit()`);
    await other.waitForURL(/review$/);
    assert.match((await other.textContent('body'))!, /Requests of other sites are not answered/);
    assert.equal(readFileSync(file, 'utf8'), text);
    await page.context().close();
  },
);

test(
  'a review by keyboard alone gives the policy and the decisions of the terminal',
  { skip: skip || noTerminal },
  async (t) => {
    const inTerminal = await marked(t);
    const inBrowser = await marked(t);
    assert.equal(readFileSync(inTerminal.file, 'utf8'), readFileSync(inBrowser.file, 'utf8'));
    // Denied, taken back, skipped, and the other one allowed; then what was skipped is widened.
    await answer(inTerminal.db, inTerminal.file, 'd', 'u', 's', 'a');
    await answer(inTerminal.db, inTerminal.file, 'w', '');
    const { link } = await startUi(t, [inBrowser.file, '--edit', '--db', inBrowser.db]);
    const { noticed, page } = await open(link);
    const keys = async (...pressed: string[]): Promise<void> => {
      for (const key of pressed) {
        const loaded = page.waitForEvent('load');
        await page.keyboard.press(key);
        await loaded;
      }
    };
    // By links, as the keyboard reaches them.
    await page.waitForSelector('nav a[href=review]');
    for (let at = 0; at < 20; at += 1) {
      await page.keyboard.press('Tab');
      if ((await page.evaluate('document.activeElement.getAttribute("href")')) === 'review') break;
    }
    await keys('Enter', 'd', 'Escape', 'd', 'Enter', 'u', 's', 'a', 'Enter', 's', 'w', 'Enter');
    assert.match((await page.textContent('h2'))!, /Nothing is left to review/);
    assert.equal(readFileSync(inBrowser.file, 'utf8'), readFileSync(inTerminal.file, 'utf8'));
    assert.equal(
      readFileSync(`${inBrowser.file}.decisions`, 'utf8'),
      readFileSync(`${inTerminal.file}.decisions`, 'utf8'),
    );
    assert.deepEqual(noticed, []);
    await page.context().close();
  },
);

test('keys of one letter can be switched off, and stay so on the next page', { skip }, async (t) => {
  const { db: record, file } = await marked(t);
  const { link } = await startUi(t, [file, '--edit', '--db', record]);
  const { noticed, page } = await open(link);
  const review = async () => {
    await page.click('nav a[href=review]');
    await page.waitForSelector('#asked');
  };
  await review();
  const start = page.url();
  await page.click('#keys');
  await page.keyboard.press('d');
  await page.reload();
  assert.equal(await page.isChecked('#keys'), false);
  await page.keyboard.press('d');
  assert.equal(page.url(), start, 'nothing was asked');
  await page.click('#keys');
  const loaded = page.waitForEvent('load');
  await page.keyboard.press('d');
  await loaded;
  assert.match(page.url(), /answer=deny/);
  await page.keyboard.press('Escape');
  await page.waitForURL(start);
  assert.deepEqual(noticed, []);
  await page.context().close();
});

test('with scripts off it can be read and decided on as well', { skip }, async (t) => {
  const { db: record, file } = await marked(t);
  const { link } = await startUi(t, [file, '--edit', '--db', record]);
  const { page } = await open(link, { javaScriptEnabled: false });
  assert.equal(await page.locator('#flows tbody tr').first().isVisible(), true);
  await page.click('nav a[href=review]');
  await page.click('button[value=deny]');
  await page.click('button.take');
  assert.match(readFileSync(file, 'utf8'), /\(denied\)/);
  await page.context().close();
});
