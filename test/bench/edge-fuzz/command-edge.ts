import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { mutatedText } from '../policy-mutation.ts';
import { bytes, pick, type Edge, type Ground } from './edge.ts';
import { POLICY } from './policy-edge.ts';
import { mutatedSql } from './sql.ts';

const MAIN = join(import.meta.dirname, '../../../bundle/main.js');
/** A command that takes longer is ended, milliseconds: an answer may be endless, which is the reader's own affair. */
const PATIENCE = 20_000;

const DECISIONS = [
  '{"rule":"for everybody","destination":"10.0.1.2:80/tcp","decision":"allow"}\n',
  '{"rule":"x","destination":"192.0.2.1:443/tcp","decision":"widen","cidr":"192.0.2.0/24"}\n# no\n\n{"rule":1}\n',
];
const LISTS = [
  '10.0.0.0/8\n2001:db8::/32 # a comment\n192.0.2.1\n',
  'metadata\n0.0.0.0/0\n::ffff:1.2.3.4/128\n',
];
const OWNERS = ['owner,prefix\nexample,203.0.113.0/24\n"a, b",2001:db8::/32\n', '# x\nx,0.0.0.0/0\n'];
const FLOWS = [
  'ts,comm,uid,gid,addr,port,protocol\n2026-11-21T09:30:00.5Z,curl,0,0,10.0.1.2,443,tcp\n1700000000,a,1,1,::1,53,udp\n',
  'ts,comm,uid,gid,addr,port,protocol,count,exe,operation,socket\n1e9,"a\nb",0,0,,,icmp,9999999999,/x,open,raw\n',
];

/** Commands that read beside the recorder, with files and statements of anybody's making. */
export const commandEdge: Edge = {
  name: 'commands',
  async attempt(ground) {
    const { random } = ground;
    await run(pick(random, [query, query, decisions, denyList, owners, flows, check])(ground));
  },
};

function query({ db, random }: Ground): string[] {
  const sql = mutatedSql(random).replaceAll('\0', '');
  return ['query', ...(random() < 0.5 ? ['--json'] : []), '--db', db, '--', sql];
}

function decisions(ground: Ground): string[] {
  const policy = file(ground, 'reviewed.yaml', [POLICY]);
  return ['review', policy, '--decisions', file(ground, 'decisions', DECISIONS), '--db', ground.db];
}

function denyList(ground: Ground): string[] {
  return ['generate', '--deny', `@${file(ground, 'list', LISTS)}`, '--allow-loss', '--db', ground.db];
}

function owners(ground: Ground): string[] {
  return ['generate', '--owners', file(ground, 'owners', OWNERS), '--max-cidrs', '3', '--db', ground.db];
}

/** Into a database of its own: that of the recorder is taken. */
function flows(ground: Ground): string[] {
  return [
    'import',
    file(ground, 'flows', FLOWS),
    '--format',
    'csv',
    '--db',
    join(ground.place, 'import.duckdb'),
  ];
}

function check(ground: Ground): string[] {
  return ['check', file(ground, 'checked.yaml', [POLICY])];
}

function file({ place, random }: Ground, name: string, soil: readonly string[]): string {
  const path = join(place, name);
  writeFileSync(path, random() < 0.1 ? bytes(random, 3000) : mutatedText(random, soil), { mode: 0o600 });
  return path;
}

/** Runs a command to its end. Throws when it ended by itself in another way than commands may. */
async function run(words: string[]): Promise<void> {
  const child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, PATIENCE);
  const ended = new Promise<string>((resolve) =>
    child.once('exit', (code, signal) => resolve(String(code ?? signal))),
  );
  const said = await text(child.stderr);
  const how = await ended;
  clearTimeout(timer);
  if (late) return;
  if (!['0', '1', '2'].includes(how) || /bug in bouheki/.test(said)) {
    throw new Error(`bouheki ${JSON.stringify(words)} ended with ${how}\n${said.slice(0, 2000)}`);
  }
}
