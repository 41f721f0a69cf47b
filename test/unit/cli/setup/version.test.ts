import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const DIST = join(import.meta.dirname, '../../../..');

function bouheki(...args: string[]): string {
  return execFileSync(process.execPath, [join(DIST, 'bundle/main.js'), ...args], { encoding: 'utf8' });
}

test('version is the number alone, as --version prints it', () => {
  const { version } = JSON.parse(readFileSync(join(DIST, '../package.json'), 'utf8')) as { version: string };
  assert.equal(bouheki('version'), `${version}\n`);
  assert.equal(bouheki('--version'), `${version}\n`);
});

test('as JSON it has what a report of a fault needs', () => {
  const said = JSON.parse(bouheki('version', '--json')) as Record<string, unknown> & {
    backend: { name: string };
    objects: Record<string, string>;
  };
  assert.equal(said.schema, 'bouheki.version/v1');
  assert.deepEqual([said.node, said.kernel], [process.versions.node, release()]);
  assert.match(String(said.libbpf), /^v\d+\.\d+/);
  assert.match(String(said.duckdb), /^v\d+\.\d+/);
  assert.ok(['lsm', 'fmod_ret', 'cgroup'].includes(said.backend.name));
  assert.ok(Object.keys(said.objects).length >= 6);
  for (const [file, hash] of Object.entries(said.objects)) {
    const bytes = readFileSync(join(DIST, 'bpf', file));
    assert.equal(hash, createHash('sha256').update(bytes).digest('hex'), file);
  }
});
