import { Verdict } from '../../../../profiler/event/batch.ts';
import { type Event, HOUR, processRow, START } from '../../profiler/fixture.ts';
import { record } from '../fixture.ts';

/** Programs of a record, after curl, whose names are made to be shown wrongly. */
export const HOSTILE = [
  '/tmp/<script>alert(1)</script>',
  '/usr/bin/\u202egnp.exe',
  `/opt/${'x'.repeat(4000)}`,
  '/usr/bin/👩‍👩‍👧',
  `/tmp/"onload='alert(1)' x="`,
];

/** Makes a record of curl and of these programs over two days, with denials and a loss. Returns its path. */
export async function hostileRecord(directory: string): Promise<string> {
  const events = Array.from({ length: 400 }, (_, at): Event => {
    const subject = 1 + (at % (HOSTILE.length + 1));
    const denied = at % 50 === 7;
    return {
      time: START + Math.floor((at * 48 * HOUR) / 400),
      process: subject,
      command: subject,
      low: BigInt(0x0a000000 + (at % 20)),
      verdict: denied ? Verdict.deny : at % 50 === 8 ? Verdict.noted : Verdict.allow,
      ...(at % 4 === 0 && { names: ['<b>bold</b>.example'], known: 1 }),
    };
  });
  return await record(directory, events, { command: 'enforce', mode: 'block' }, (recording) => {
    for (const [index, exe] of HOSTILE.entries()) {
      recording.process(processRow({ key: BigInt(index + 2), exe, pid: 200 + index }));
      recording.command(exe.slice(-15));
    }
    recording.recordLoss('ring', 17);
  });
}
