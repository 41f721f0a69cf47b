import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { writeOutput } from '../../../cli/option/output-file.ts';
import { csvToParquet } from '../../../profiler/read/export.ts';
import { OutputFile } from '../../../host/output-file.ts';
import {
  asAttacker,
  ATTACKER,
  noAttacker,
  ownDirectory,
  sharedDirectory,
  whileAttacked,
} from './attacker.ts';

test('a file of ours is replaced whole, keeps its mode, and a link of ours stays one', (t) => {
  const directory = ownDirectory(t);
  const path = join(directory, 'policy');
  writeFileSync(path, 'old', { mode: 0o640 });
  const { ino } = statSync(path);
  symlinkSync('policy', join(directory, 'link'));
  writeOutput(join(directory, 'link'), 'new');
  assert.equal(readFileSync(path, 'utf8'), 'new');
  assert.notEqual(statSync(path).ino, ino);
  assert.equal(statSync(path).mode & 0o777, 0o640);
  assert.ok(lstatSync(join(directory, 'link')).isSymbolicLink());
  writeOutput(join(directory, 'other'), 'new');
  assert.deepEqual(readdirSync(directory).toSorted(), ['link', 'other', 'policy']);
  assert.throws(() => writeOutput(directory, ''), { code: 'usage' });
  assert.throws(() => writeOutput(join(directory, 'none', 'policy'), ''), { code: 'usage' });
});

test('a device is written to, and so is what the caller gives as a descriptor', () => {
  writeOutput('/dev/null', 'text');
  assert.ok(statSync('/dev/null').isCharacterDevice());
  const script = `const { writeOutput } = await import(${JSON.stringify(new URL('../../../cli/option/output-file.js', import.meta.url).href)});
    for (const path of process.argv.slice(1)) writeOutput(path, 'text\\n');`;
  const { stderr, stdout } = spawnSync(
    'bash',
    ['-c', '"$0" --input-type=module -e "$1" /dev/stdout >(cat; echo end) | cat', process.execPath, script],
    { encoding: 'utf8' },
  );
  assert.deepEqual([stdout.split('\n').toSorted(), stderr], [['', 'end', 'text', 'text'], '']);
});

test(
  'what a user plants in a shared directory is neither written through nor taken over',
  { skip: noAttacker },
  (t) => {
    const shared = sharedDirectory(t);
    const precious = join(ownDirectory(t), 'precious');
    writeFileSync(precious, 'ours');
    asAttacker(
      `process.chdir(argv[0]); fs.symlinkSync(argv[1], 'link'); fs.writeFileSync('file', 'theirs');
    require('node:child_process').spawnSync('mkfifo', ['pipe']);`,
      shared,
      precious,
    );
    for (const name of ['link', 'file', 'pipe']) {
      assert.throws(() => writeOutput(join(shared, name), 'text'), { code: 'untrusted' }, name);
    }
    assert.equal(readFileSync(precious, 'utf8'), 'ours');
    writeOutput(join(shared, 'new'), 'text');
    assert.equal(statSync(join(shared, 'new')).uid, 0);
  },
);

test(
  "in a user's own directory their file is replaced and stays theirs, but no link or pipe is opened",
  { skip: noAttacker },
  (t) => {
    const home = ownDirectory(t);
    const precious = join(ownDirectory(t), 'precious');
    writeFileSync(precious, 'ours');
    writeFileSync(join(home, 'file'), 'theirs');
    for (const path of [home, join(home, 'file')]) chownSync(path, ATTACKER, ATTACKER);
    asAttacker(
      `process.chdir(argv[0]); fs.symlinkSync(argv[1], 'link'); fs.mkdirSync('sub');
    require('node:child_process').spawnSync('mkfifo', ['pipe']);`,
      home,
      precious,
    );
    for (const name of ['link', 'pipe']) {
      assert.throws(() => writeOutput(join(home, name), 'text'), { code: 'untrusted' }, name);
    }
    writeOutput(join(home, 'file'), 'text');
    assert.equal(statSync(join(home, 'file')).uid, ATTACKER);
    writeOutput(join(home, 'sub', 'new'), 'text');
    assert.equal(readFileSync(precious, 'utf8'), 'ours');
  },
);

test(
  'links that a user swaps in while root writes, Parquet too, lead nowhere',
  { skip: noAttacker },
  async (t) => {
    const home = ownDirectory(t);
    const own = ownDirectory(t);
    const precious = join(own, 'precious');
    writeFileSync(precious, 'ours');
    const csv = join(own, 'csv');
    writeFileSync(csv, '');
    chmodSync(own, 0o755);
    chownSync(home, ATTACKER, ATTACKER);
    // Every name that appears in the directory becomes a link to ours.
    const attack = `const [home, precious] = argv; process.chdir(home);
    console.log('ready');
    for (;;) {
      for (const name of fs.readdirSync('.')) {
        try { fs.renameSync(name, 'aside' + Math.random()); fs.symlinkSync(precious, name); } catch {}
      }
      for (const name of fs.readdirSync('.')) try { fs.rmSync(name, { recursive: true }); } catch {}
    }`;
    let written = 0;
    await whileAttacked(attack, [home, precious], async () => {
      const until = Date.now() + 3000;
      for (let tries = 0; tries < 5000 && Date.now() < until; tries += 1) {
        try {
          if (tries % 20 === 0) {
            using output = OutputFile.at(join(home, 'rows'));
            using workshop = output.workshop();
            const parquet = workshop.at('parquet');
            await csvToParquet({ csv, parquet, spill: workshop.at('spill') }, 'rows');
            workshop.put('parquet');
          } else writeOutput(join(home, 'policy'), 'text');
          written += 1;
        } catch (error) {
          const { code } = error as NodeJS.ErrnoException;
          assert.ok(
            ['untrusted', 'usage', 'store', 'ENOENT', 'ENOTDIR', 'ELOOP', 'EEXIST'].includes(code!),
            String(error),
          );
        }
      }
    });
    t.diagnostic(`${written} times written`);
    assert.equal(readFileSync(precious, 'utf8'), 'ours');
    assert.deepEqual(readdirSync(own).toSorted(), ['csv', 'precious']);
    assert.equal(statSync(precious).uid, 0);
  },
);

test('a directory for what is written by name is ours alone, and gone afterwards', (t) => {
  const directory = ownDirectory(t);
  mkdirSync(join(directory, 'out'));
  {
    using output = OutputFile.at(join(directory, 'out', 'rows'));
    using workshop = output.workshop();
    writeFileSync(workshop.at('a'), 'text');
    mkdirSync(workshop.at('b'));
    const [name] = readdirSync(join(directory, 'out'));
    assert.equal(statSync(join(directory, 'out', name!)).mode & 0o777, 0o700);
    workshop.put('a');
  }
  assert.deepEqual(readdirSync(join(directory, 'out')), ['rows']);
});
