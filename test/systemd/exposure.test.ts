/** The units that come with bouheki leave little to get at, by systemd's own measure. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT, run, succeeded } from '../e2e/guest.ts';
import './unit.ts';

/** From 0 to 10; systemd calls what is below 5 `OK`. */
const MOST = 3;

for (const unit of readdirSync(join(ROOT, 'systemd')).filter((name) => name.endsWith('.service'))) {
  test(`${unit} has an exposure of ${MOST} at most`, () => {
    const words = ['security', '--no-pager', '--offline=yes', join(ROOT, 'systemd', unit)];
    const { stdout } = succeeded(run('systemd-analyze', ...words));
    const exposure = new RegExp(`exposure level for ${unit.replace('.', '\\.')}: ([\\d.]+)`).exec(
      stdout,
    )?.[1];
    assert.ok(Number(exposure) <= MOST, stdout);
  });
}
