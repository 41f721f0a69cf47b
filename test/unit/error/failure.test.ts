import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { BouhekiError } from '../../../error/error.ts';
import { renderFailure } from '../../../error/failure.ts';
import { systemError } from '../../../host/system-error.ts';

function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

test('what the system says of a path is no bug, and names the path', () => {
  const missing = renderFailure(thrownBy(() => readFileSync('/nowhere/file')));
  assert.match(
    missing,
    /^bouheki: cannot open \/nowhere\/file: there is no such file or directory \(ENOENT\)\n/,
  );
  const below = renderFailure(thrownBy(() => mkdirSync('/dev/null/x')));
  assert.match(below, /^bouheki: cannot mkdir \/dev\/null\/x: a part of it is no directory \(ENOTDIR\)\n/);
  const own = renderFailure(systemError('EISDIR', '/etc is a directory'));
  assert.match(own, /^bouheki: \/etc is a directory\n {2}name another path/);
});

test('a name in a path cannot move the cursor', () => {
  const said = renderFailure(thrownBy(() => readFileSync('/nowhere/\u001b[2J\u202e')));
  // eslint-disable-next-line no-control-regex
  assert.doesNotMatch(said, /[\u001b\u202e]/);
});

test('what nobody expected keeps its stack, and what was expected has none', () => {
  assert.match(
    renderFailure(new TypeError('x')),
    /^bouheki: this is a bug in bouheki.*\nTypeError: x\n {4}at /,
  );
  const text = renderFailure(new BouhekiError('usage', 'no', { remedy: 'do', detail: 'more\n' }));
  assert.equal(text, 'bouheki: no\n  do\nmore\n');
});
