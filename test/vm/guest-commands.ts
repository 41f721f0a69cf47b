import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const repository = join(import.meta.dirname, '../../..');

/** How a command ended, and what it said. */
export interface Ended {
  status: number;
  text: string;
}

/** Boots a machine with these options, and runs each bouheki command there. */
export function runInGuest(options: string[], commands: string[][]): Ended[] {
  const script = `
    printf 'network:\\n  mode: block\\n' >/tmp/policy.yaml
    mkdir -m 700 /run/record
    export BOUHEKI_DB=/run/record/record.duckdb
    for command in "$@"; do
      node dist/bundle/main.js $command 2>&1
      printf '\\001%s\\002' $?
    done
    [ ! -e $BOUHEKI_DB ]`;
  const words = commands.map((command) => command.join(' '));
  const { status, stdout, stderr } = spawnSync(
    join(repository, 'test/vm/run'),
    ['--timeout', '200', ...options, '--', 'bash', '-c', script, 'bash', ...words],
    { encoding: 'utf8', cwd: repository },
  );
  assert.equal(status, 0, `no database is made\n${stdout}${stderr}`);
  const parts = stdout.split('\u0002').slice(0, -1);
  return parts.map((part) => {
    const [text = '', code = ''] = part.split('\u0001');
    return { text, status: Number(code) };
  });
}
