/** Whatever a program is called, its denials are lines of the log like all others, in each format. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { PROGRAM } from '../kernel/client/client.ts';
import { Running } from './bouheki.ts';
import { folder, programsLeft, run, startNetwork, stopNetwork, succeeded } from './guest.ts';

const place = folder();
const file = join(place, 'policy.yaml');
const ADDRESS = '10.0.1.1';

/** Names of files as bash writes them, whose first 15 bytes are the name of the process. */
const NAMES = [
  String.raw`a\n{"Addr":"6.6.6.6"}`,
  String.raw`\e[2J\e]0;x\a`,
  String.raw`"} x="y\\`,
  String.raw`\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff`,
  String.raw`\xe2\x80\xaegnp\r`,
  String.raw`x Addr=6.6.6.6 `,
];
const FORMATS = ['json', 'ecs', 'ocsf', 'text'] as const;

let enforce: Running;

function write(format: string): void {
  const log = `log:\n  format: ${format}\n  output: ${join(place, format)}\n`;
  writeFileSync(file, `version: 2\nnetwork:\n  mode: block\n  allow: []\n${log}`, { mode: 0o600 });
}

/** Makes one denied connection of each name. */
function connect(): void {
  for (const name of NAMES) {
    const script = `cp "$0" "$1"/$'${name}' && exec "$1"/$'${name}' TCP 1 plain 0 - ${ADDRESS} 80`;
    const { stdout } = succeeded(run('bash', '-c', script, join(place, 'client'), join(place, 'bin')));
    assert.match(stdout, /^0 1$/m);
  }
}

/** The lines of a log once there are so many. */
async function linesOf(format: string): Promise<string[]> {
  for (const deadline = performance.now() + 60_000; ;) {
    const text = run('cat', join(place, format)).stdout;
    const lines = text.split('\n').slice(0, -1);
    if (lines.length >= NAMES.length || performance.now() > deadline) return lines;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

before(async () => {
  startNetwork();
  mkdirSync(join(place, 'bin'));
  copyFileSync(PROGRAM, join(place, 'client'));
  write(FORMATS[0]);
  enforce = await Running.start('enforce', file, '--db', join(place, 'record.duckdb'), '--no-preflight');
});
after(async () => {
  await enforce.end('SIGKILL');
  stopNetwork();
});

test('each denial is one line, and no name ends it, poses as a field or moves a cursor', async () => {
  for (const format of FORMATS) {
    if (format !== FORMATS[0]) {
      write(format);
      const said = enforce.stderr.length;
      enforce.signal('SIGHUP');
      await enforce.until(/^Blocking by /m, said);
    }
    connect();
    const lines = await linesOf(format);
    assert.equal(lines.length, NAMES.length, `${format}\n${lines.join('\n')}`);
    for (const line of lines) {
      // oxlint-disable-next-line no-control-regex -- that is what must not be there
      assert.doesNotMatch(line, /[\0-\x1f\x7f-\x9f\u202e\ufffe]/, format);
      assert.equal(addressOf(format, line), ADDRESS, line);
    }
  }
  assert.equal((await enforce.end('SIGTERM')).status, 0);
  assert.deepEqual(programsLeft(), []);
});

/** What a collector finds as the destination. */
function addressOf(format: (typeof FORMATS)[number], line: string): unknown {
  // A value that could be taken for more is in quotes there.
  if (format === 'text') return /(?:^| )Addr=(\S+)/.exec(line.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""'))?.[1];
  const entry = JSON.parse(line) as {
    Addr?: string;
    destination?: { ip: string };
    dst_endpoint?: { ip: string };
  };
  return entry.Addr ?? entry.destination?.ip ?? entry.dst_endpoint?.ip;
}
