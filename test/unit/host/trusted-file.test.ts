import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { BouhekiError } from '../../../error/error.ts';
import { readAnyFile, TrustedFile } from '../../../host/trusted-file.ts';
import {
  asAttacker,
  ATTACKER,
  whileAttacked,
  noAttacker,
  ownDirectory,
  sharedDirectory,
} from './attacker.ts';

/** What is read where root would trust it. */
function read(path: string): string {
  using file = TrustedFile.open(path);
  return file.read(1 << 20).toString();
}

const refused = (path: string, why: RegExp): void =>
  assert.throws(
    () => read(path),
    (error) => {
      assert.ok(error instanceof BouhekiError, String(error));
      assert.equal(error.code, 'untrusted');
      assert.match(error.message, why);
      assert.ok(error.remedy);
      return true;
    },
  );

test('a file of ours is read below a shared directory, through links of ours and as a relative path', (t) => {
  const directory = ownDirectory(t);
  const path = join(directory, 'policy');
  writeFileSync(path, 'ours');
  assert.equal(read(path), 'ours');
  symlinkSync('.', join(directory, 'here'));
  symlinkSync('../' + directory.split('/').at(-1) + '/here/policy', join(directory, 'link'));
  symlinkSync(join(directory, 'link'), join(directory, 'absolute'));
  assert.equal(read(join(directory, 'absolute')), 'ours');
  assert.throws(() => read(join(directory, 'none')), { code: 'ENOENT' });
  assert.throws(() => read(join(path, 'none')), { code: 'ENOTDIR' });
  assert.throws(() => read(directory), /is a directory/);
  symlinkSync('loop', join(directory, 'loop'));
  assert.throws(() => read(join(directory, 'loop')), { code: 'ELOOP' });
});

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

test('no descriptor is left open, whatever a path leads to', (t) => {
  const directory = ownDirectory(t);
  const path = join(directory, 'policy');
  writeFileSync(path, 'ours');
  symlinkSync('policy', join(directory, 'link'));
  const before = openDescriptors();
  for (const each of ['policy', 'link', 'none', 'policy/none', '.', 'none/none']) {
    try {
      read(join(directory, each));
    } catch {
      // Only the descriptors matter.
    }
  }
  chmodSync(directory, 0o777);
  assert.throws(() => read(path));
  assert.equal(openDescriptors(), before);
});

test('a file that others can write, or that lies where they can put another, is refused and the reason told', (t) => {
  const directory = ownDirectory(t);
  mkdirSync(join(directory, 'below'));
  const path = join(directory, 'below', 'policy');
  writeFileSync(path, 'ours');
  for (const [place, mode, why] of [
    [path, 0o664, /it can be written by its group \(gid \d+\)$/],
    [path, 0o646, /it can be written by every user$/],
    [join(directory, 'below'), 0o775, /below can be written by its group/],
    [directory, 0o757, /can be written by every user$/],
  ] as const) {
    chmodSync(place, mode);
    refused(path, why);
    chmodSync(place, place === path ? 0o600 : 0o700);
    assert.equal(read(path), 'ours');
  }
});

test('nothing that another user owns is trusted, on whatever step of the path', { skip: noAttacker }, (t) => {
  const directory = ownDirectory(t);
  mkdirSync(join(directory, 'below'));
  const path = join(directory, 'below', 'policy');
  writeFileSync(path, 'planted');
  for (const place of [directory, join(directory, 'below'), path]) {
    chownSync(place, ATTACKER, ATTACKER);
    refused(path, new RegExp(`: ${place === path ? 'it' : place} belongs to uid ${ATTACKER}$`));
    chownSync(place, 0, 0);
  }
  assert.equal(read(path), 'planted');
});

test(
  'what a user plants in a shared directory is refused: a file, a link, a hard link, a directory',
  { skip: noAttacker },
  (t) => {
    const shared = sharedDirectory(t);
    const own = ownDirectory(t);
    mkdirSync(join(own, 'real'));
    writeFileSync(join(own, 'real', 'policy'), 'ours');
    chmodSync(own, 0o755);
    asAttacker(
      `const [shared, own] = argv; process.chdir(shared);
    fs.writeFileSync('file', 'planted'); fs.symlinkSync(own + '/real/policy', 'link'); fs.symlinkSync(own + '/real', 'way');
    fs.mkdirSync('directory'); fs.writeFileSync('directory/policy', 'planted');`,
      shared,
      own,
    );
    refused(join(shared, 'file'), /it belongs to uid 1000$/);
    refused(join(shared, 'link'), /it is a link that uid 1000 or others can have made$/);
    refused(join(shared, 'way/policy'), /way is a link that/);
    refused(join(shared, 'directory/policy'), /directory belongs to uid 1000$/);
    // What fs.protected_hardlinks=0 lets everybody do.
    linkSync(join(own, 'real', 'policy'), join(shared, 'hard'));
    refused(join(shared, 'hard'), /it is a hard link in a directory that others can write$/);
    writeFileSync(join(shared, 'ours'), 'ours');
    assert.equal(read(join(shared, 'ours')), 'ours');
  },
);

test(
  'a link of ours that lies in the directory of another user is not followed',
  { skip: noAttacker },
  (t) => {
    const shared = sharedDirectory(t);
    const own = ownDirectory(t);
    writeFileSync(join(own, 'policy'), 'ours');
    asAttacker(`fs.mkdirSync(argv[0] + '/home')`, shared);
    symlinkSync(join(own, 'policy'), join(shared, 'home', 'link'));
    refused(join(shared, 'home', 'link'), /home belongs to uid 1000$/);
  },
);

test('a pipe, a device and a socket are told and not waited for', (t) => {
  const directory = ownDirectory(t);
  const pipe = join(directory, 'pipe');
  assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
  for (const path of [pipe, '/dev/null']) {
    assert.throws(() => read(path), /is not a regular file/);
    assert.throws(() => readAnyFile(path, 100), /is not a regular file/);
  }
  const path = join(directory, 'file');
  writeFileSync(path, 'abc');
  assert.equal(readAnyFile(path, 3).toString(), 'abc');
  assert.throws(() => readAnyFile(path, 2), /it is larger than/);
});

test("a descriptor that the caller gives is the caller's choice: standard input, and what a shell makes of <(...)", () => {
  const script = `import { TrustedFile } from ${JSON.stringify(new URL('../../../host/trusted-file.js', import.meta.url).href)};
    for (const path of process.argv.slice(1)) {
      const file = TrustedFile.open(path);
      process.stdout.write(file.read(1000));
    }`;
  const command = `"$0" --input-type=module -e "$1" /dev/stdin <<<ab; "$0" --input-type=module -e "$1" <(echo c)`;
  const { stderr, stdout } = spawnSync('bash', ['-c', command, process.execPath, script], {
    encoding: 'utf8',
  });
  assert.deepEqual([stdout, stderr], ['ab\nc\n', '']);
});

/** Why no file system can be mounted as a user would by FUSE; false when it can. */
function noFuse(): string | false {
  if (noAttacker !== false) return noAttacker;
  return existsSync('/dev/fuse') ? false : 'needs /dev/fuse';
}

test(
  'a file system that a user has mounted, which may claim any owner or never answer, is not asked',
  { skip: noFuse() },
  (t) => {
    const directory = ownDirectory(t);
    // No process serves it: a request to it waits for ever.
    const script = `exec 3<>/dev/fuse
    mount -i -t fuse user_id=0 "$1" -o fd=3,rootmode=40000,user_id=1000,group_id=1000,allow_other || exit 9
    timeout -s KILL 20 "$0" --input-type=module -e "$2" "$1/policy" 2>&1
    exec 3<&-; umount -l "$1"`;
    const program = `import { TrustedFile } from ${JSON.stringify(new URL('../../../host/trusted-file.js', import.meta.url).href)};
    try { TrustedFile.open(process.argv[1]); } catch (error) { console.log(error.message); }`;
    const mountPoint = join(directory, 'mounted');
    mkdirSync(mountPoint);
    const { stdout, status } = spawnSync('bash', ['-c', script, process.execPath, mountPoint, program], {
      encoding: 'utf8',
    });
    if (status === 9) return t.skip('no file system can be mounted here');
    assert.match(stdout, /mounted is a file system that uid 1000 has mounted$/m);
  },
);

const TRIES = 200_000;
const MOST_SECONDS = 4;

for (const [what, swap] of Object.entries({
  'its own directory with a link to ours': `fs.symlinkSync(own, 'other');`,
  'its own directory with another of its own, ours inside': `fs.mkdirSync('other');`,
})) {
  test(
    `an ancestor that a user swaps all the time, ${what}, is never trusted`,
    { skip: noAttacker },
    async (t) => {
      const shared = sharedDirectory(t);
      const own = ownDirectory(t);
      chmodSync(own, 0o755);
      mkdirSync(join(own, 'below'));
      writeFileSync(join(own, 'below', 'policy'), 'ours');
      const path = join(shared, 'way', 'below', 'policy');
      const outcomes = new Map<string, number>();
      const attack = `const [shared, own] = argv; process.chdir(shared);
      fs.mkdirSync('way/below', { recursive: true }); fs.writeFileSync('way/below/policy', 'planted'); ${swap}
      console.log('ready');
      for (;;) {
        fs.renameSync('way', 'away'); fs.renameSync('other', 'way');
        fs.renameSync('way', 'other'); fs.renameSync('away', 'way');
      }`;
      await whileAttacked(attack, [shared, own], () => {
        const until = Date.now() + MOST_SECONDS * 1000;
        for (let tries = 0; tries < TRIES && Date.now() < until; tries += 1) {
          const outcome = outcomeOf(path);
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        }
      });
      t.diagnostic(JSON.stringify([...outcomes]));
      assert.deepEqual(
        [...outcomes.keys()].filter((outcome) => outcome.startsWith('trusted')),
        [],
      );
      assert.ok((outcomes.get('untrusted') ?? 0) > 0);
    },
  );
}

function outcomeOf(path: string): string {
  try {
    return `trusted: ${read(path)}`;
  } catch (error) {
    return String((error as BouhekiError).code);
  }
}

test('a file that is swapped between the look and the read is not the one that is read', (t) => {
  const directory = ownDirectory(t);
  const path = join(directory, 'policy');
  writeFileSync(path, 'ours');
  using file = TrustedFile.open(path);
  writeFileSync(join(directory, 'new'), 'other');
  renameSync(join(directory, 'new'), path);
  assert.equal(file.read(100).toString(), 'ours');
  assert.equal(readFileSync(path, 'utf8'), 'other');
});
