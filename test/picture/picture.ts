/** Takes the pictures of docs/picture: of `bouheki ui` on a made-up host, in Chromium. Run by `npm run picture`. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Page } from 'playwright-core';

const MAIN = join(import.meta.dirname, '../../bundle/main.js');
const FOLDER = join(import.meta.dirname, '../../../docs/picture');
/** Bytes of a picture. */
const LARGEST = 200_000;

const directory = mkdtempSync(join(tmpdir(), 'bouheki-picture-'));
const db = join(directory, 'bouheki.duckdb');
const policy = join(directory, 'policy.yaml');

async function take(page: Page, name: string): Promise<void> {
  const path = join(FOLDER, `${name}.png`);
  await page.screenshot({ path });
  const { size } = statSync(path);
  if (size > LARGEST) throw new Error(`${path} has ${size} bytes, more than ${LARGEST}`);
  process.stdout.write(`${path}: ${size} bytes\n`);
}

async function takeAll(link: string): Promise<void> {
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    await page.goto(link);
    const home = page.url();
    await page.waitForSelector('#now.following');
    await page.locator('#now tbody tr').nth(7).waitFor();
    await take(page, 'now');
    await page.locator('#flows-title').scrollIntoViewIfNeeded();
    await page.evaluate(`document.querySelector('#flows').scrollIntoView()`);
    await take(page, 'flows');
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 1280, height: 1000 });
    await page.goto(`${home}review?answer=deny`);
    await page.evaluate('scrollTo(0, 0)');
    await take(page, 'review');
  } finally {
    await browser.close();
  }
}

const recorder = spawn(process.execPath, [join(import.meta.dirname, 'recorder-child.js'), db], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
try {
  await once(recorder.stdout, 'data');
  mkdirSync(FOLDER, { recursive: true });
  execFileSync(process.execPath, [MAIN, 'generate', '--db', db, '-o', policy], { stdio: 'ignore' });
  const ui = spawn(process.execPath, [MAIN, 'ui', policy, '--edit', '--db', db], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [line] = (await once(ui.stdout, 'data')) as [Buffer];
    await takeAll(line.toString().trim());
  } finally {
    ui.kill('SIGTERM');
    await once(ui, 'exit');
  }
} finally {
  recorder.kill('SIGTERM');
  await once(recorder, 'exit');
  rmSync(directory, { recursive: true, force: true });
}
