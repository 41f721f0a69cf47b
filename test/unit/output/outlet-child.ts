/**
 * Writes lines `1` to `count` and an end to standard output, each padded to 100 bytes, and ends with status 7 and what
 * was dropped on standard error: `node outlet-child.js COUNT [WAIT]`. WAIT is a file that it waits for before the end.
 */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStandard } from '../../../output/descriptor.ts';
import { surviveLostTerminal } from '../../../output/lost-terminal.ts';
import { Outlet } from '../../../output/outlet.ts';

surviveLostTerminal();
const [count, wait] = process.argv.slice(2);
const outlet = new Outlet(openStandard(1), 65_536, {
  missing: (missing) => `${missing} missing\n`,
  failed: ({ code }) => process.stderr.write(`${code}\n`),
});
for (let line = 1; line <= Number(count); line += 1) outlet.write(`${String(line).padEnd(99)}\n`);
process.stderr.write('written\n');
if (wait !== undefined) while (!existsSync(wait)) await sleep(20);
outlet.write('end\n');
await outlet.settle(2000);
process.stderr.write(`dropped ${outlet.dropped}\n`);
process.exitCode = 7;
