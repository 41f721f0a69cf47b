/** The session of README.md, as it stands there, in a fresh Debian in which the package has been installed. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Life, type Machine } from './machine.ts';

/** Declares the tests. */
export function typeReadmeIn(machine: Machine): void {
  const life = new Life(machine);
  before(() => life.boot('readme'));

  test('each line works, and prints what it is said to print', () => {
    life.good('install');
    const session = `${life.read('session.stdout')}\n`;
    const recorded = printedAfter('bouheki query ', session);
    assert.match(recorded, /^curl +\/usr\/bin\/curl +0 +- +10\.0\.1\.1 +80 +tcp$/m);
    assert.match(recorded, /^wget +\/bin\/busybox +0 +web +10\.0\.1\.71 +80 +tcp$/m);
    const policy = printedAfter('cat ', session);
    assert.match(policy, /^ +to: \[\{ cidr: \[10\.0\.1\.1\], port: \[80\], protocol: \[tcp\] \}\]$/m);
    assert.match(policy, /^ +from: \{ uid: \[0\], container: \[web\] \}$/m);
    assert.match(printedAfter('python3 ', session), /PermissionError: \[Errno 1\] Operation not permitted/);
    const drift = printedAfter('bouheki drift ', session);
    assert.match(drift, /^Denied: attempts that were stopped$/m);
    assert.match(drift, /tcp 203\.0\.113\.7:443 /);
    assert.match(drift, /^Drift: 0 new, 1 denied, in \d+ events\.$/m);
  });

  test('a connection that is refused is in the log', () => {
    assert.match(life.read('background.stdout'), /"Action":"BLOCKED","Addr":"203\.0\.113\.7"/);
  });
}

/** What a line of the session printed. */
function printedAfter(line: string, session: string): string {
  const [, printed] = session.split(`$ ${line}`);
  assert.ok(printed !== undefined, `${line} is not in\n${session}`);
  return printed.slice(printed.indexOf('\n') + 1).split('\n$ ')[0]!;
}
