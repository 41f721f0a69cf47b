import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { tmpdir } from 'node:os';
import { type Browser, chromium, type Page } from 'playwright-core';
import { hostileRecord } from './hostile-record.ts';

const CHROMIUM = '/usr/bin/chromium';
const MAIN = join(import.meta.dirname, '../../../../bundle/main.js');
const skip = !existsSync(CHROMIUM) && 'needs chromium: apt-get install chromium';

function bouheki(...args: string[]): string {
  return execFileSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

const directory = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
const file = join(directory, 'report.html');
let browser: Browser;

before(async () => {
  if (skip !== false) return;
  const db = await hostileRecord(directory);
  const policy = join(directory, 'policy.yaml');
  writeFileSync(policy, bouheki('generate', '--db', db, '--allow-loss'), { mode: 0o600 });
  bouheki('report', policy, '--db', db, '-o', file);
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
});

after(async () => {
  await browser?.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Opens the page, and notes all that the browser says of it and asks for. */
async function open(
  options: Parameters<Browser['newContext']>[0],
): Promise<{ page: Page; noticed: string[] }> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const noticed: string[] = [];
  page.on('console', (message) => noticed.push(message.text()));
  page.on('pageerror', (error) => noticed.push(String(error)));
  page.on('request', (request) => noticed.push(request.url()));
  await page.goto(pathToFileURL(file).href);
  assert.equal(noticed.shift(), pathToFileURL(file).href);
  return { page, noticed };
}

for (const width of [400, 1280, 1920]) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test(
      `it opens on ${width} px, ${colorScheme}, without an error, and everybody can use it`,
      { skip },
      async () => {
        const viewport = { width, height: 900 };
        const { noticed, page } = await open({ viewport, colorScheme, bypassCSP: true });
        assert.equal(
          await page.evaluate('document.documentElement.scrollWidth'),
          width,
          'nothing leaves the window',
        );
        await page.evaluate(
          readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'),
        );
        const found = await page.evaluate(
          `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ' ' + nodes[0].html))`,
        );
        assert.deepEqual(found, []);
        assert.deepEqual(noticed, []);
        await page.context().close();
      },
    );
  }
}

for (const width of [400, 700, 1280]) {
  test(`on ${width} px the picture shows both ends of each way at once`, { skip }, async () => {
    const { page } = await open({ viewport: { width, height: 900 } });
    assert.equal(await page.locator('svg.sankey:visible').count(), 1);
    // Each name: where it begins and ends, and the size of its letters.
    const names = (await page.evaluate(
      `[...document.querySelectorAll('svg.sankey text')].filter((text) => text.checkVisibility()).map((text) => {
        const { left, right } = text.getBoundingClientRect();
        const size = text.ownerSVGElement.getScreenCTM().a * Number.parseFloat(getComputedStyle(text).fontSize);
        return [left, right, size];
      })`,
    )) as [number, number, number][];
    assert.ok(names.length > 10, `${names.length} names`);
    for (const [left, right, size] of names) {
      assert.ok(left >= 0 && right <= width, `a name goes from ${left} to ${right}`);
      assert.ok(size >= 11, `${size} px`);
    }
    await page.context().close();
  });
}

test('its own policy lets its style and script pass, and nothing of a name runs', { skip }, async () => {
  const { noticed, page } = await open({});
  page.on('dialog', (dialog) => noticed.push(dialog.message()));
  await page.keyboard.press('Tab');
  assert.equal(
    await page.evaluate('document.activeElement.textContent'),
    'In short',
    'links are reached by keyboard',
  );
  await page.fill('input[type=search]', '<SCRIPT>');
  await page.waitForFunction(`/^[1-9]\\d* of /.test(document.querySelector('output').textContent)`);
  const shown = await page.evaluate(
    `[...document.querySelectorAll('#flows tbody tr:not([hidden])')].map((row) => row.cells[0].textContent)`,
  );
  assert.ok((shown as string[]).length > 0);
  for (const subject of shown as string[]) assert.match(subject, /^\/tmp\/<script>alert\(1\)<\/script> /);
  await page.uncheck('input[value=allow]');
  await page.waitForFunction(
    `document.querySelectorAll('#flows tbody tr:not([hidden]) td.allow').length === 0`,
  );
  assert.deepEqual(noticed, []);
  await page.context().close();
});

test('a part of the timeline shows its rows alone, by pointer and by keyboard', { skip }, async () => {
  const { noticed, page } = await open({});
  const count = (): Promise<number> => page.locator('#flows tbody tr:not([hidden])').count();
  const all = await count();
  const [from, to] = [page.locator('input[type=range]').first(), page.locator('input[type=range]').last()];
  const last = Number(await to.getAttribute('max'));
  await page.locator('.timeline g').nth(3).locator('.place').click({ force: true });
  assert.deepEqual([await from.inputValue(), await to.inputValue()], ['3', '3']);
  const one = await count();
  assert.ok(one > 0 && one < all, `${one} of ${all}`);
  assert.equal(await page.locator('.timeline g.out').count(), last);
  assert.match((await from.getAttribute('aria-valuetext'))!, /^2026-11-21 0\d:\d\d/);
  // Once more, and all of it is back.
  await page.locator('.timeline g').nth(3).locator('.place').click({ force: true });
  assert.equal(await count(), all);
  await to.focus();
  await page.keyboard.press('Home');
  await page.waitForFunction('document.querySelectorAll(".timeline g.out").length > 0');
  assert.equal(await to.inputValue(), '0');
  assert.ok((await count()) < all);
  assert.deepEqual(noticed, []);
  await page.context().close();
});

test('with scripts off all rows are there, and no filter that would do nothing', { skip }, async () => {
  const { page } = await open({ javaScriptEnabled: false });
  assert.equal(await page.locator('#flows tbody tr').first().isVisible(), true);
  assert.equal(await page.locator('.filter').isVisible(), false);
  await page.context().close();
});
