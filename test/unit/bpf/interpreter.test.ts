import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainPath, scriptOf } from '../../../bpf/interpreter.ts';

/** A command line whose first word is the file name of the executable. */
const script = (line: string) => {
  const words = line.split(' ');
  return scriptOf(words[0]!, words);
};

test('the script is the first argument that is no option', () => {
  assert.equal(script('python3.11 app.py'), 'app.py');
  assert.equal(script('python3 -u -OO app.py other.py'), 'app.py');
  assert.equal(script('bash -eu job.sh'), 'job.sh');
  assert.equal(script('node --enable-source-maps --max-old-space-size=4096 server.js'), 'server.js');
  assert.equal(script('perl -w /opt/x.pl'), '/opt/x.pl');
});

test('the value of an option is no script', () => {
  assert.equal(script('python3 -W ignore app.py'), 'app.py');
  assert.equal(script('python3 -Wignore app.py'), 'app.py');
  assert.equal(script('bash -euo pipefail job.sh'), 'job.sh');
  assert.equal(script('node --require x app.js'), 'app.js');
  assert.equal(script('node -r x app.js'), 'app.js');
  assert.equal(script('perl -Ilonglonglonglonglong x.pl'), 'x.pl');
});

test('what follows -- is the script, whatever it looks like', () => {
  assert.equal(script('python3 -- -app.py'), '-app.py');
});

test('a program that is not in a file, and an option that is not known, mean no script', () => {
  for (const line of [
    'python3 -m http.server',
    'python3 -c print(1) app.py',
    'python3 -uc print(1) app.py',
    'bash -c ./job.sh',
    'bash -lc ./job.sh',
    'node -e 1 app.js',
    'node --eval 1 app.js',
    'perl -ne print app.pl',
    'ruby --yjit app.rb',
    'python3 -',
    'python3',
  ]) {
    assert.equal(script(line), undefined, line);
  }
});

test('only interpreters run scripts', () => {
  assert.equal(script('curl app.py'), undefined);
  assert.equal(script('shutdown now'), undefined);
  assert.equal(script('pythonx app.py'), undefined);
});

test('a path is made plain by its text', () => {
  for (const [path, plain] of [
    ['/opt/app/bin/../lib/cli.js', '/opt/app/lib/cli.js'],
    ['/opt/app//job.py', '/opt/app/job.py'],
    ['/opt/./a/...b/.c', '/opt/a/...b/.c'],
    ['/../../x', '/x'],
    ['//', '/'],
    ['bin/../x', 'bin/../x'],
  ] as const) {
    assert.equal(plainPath(path), plain);
  }
});
