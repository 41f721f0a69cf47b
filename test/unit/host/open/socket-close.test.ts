import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endText } from '../../../../host/open/socket-close.ts';
import { parseSockets } from '../../../../host/open/socket-table.ts';

const ends = (local: string, remote: string): string[] =>
  parseSockets(`1: ${local} ${remote} 01 0:0 00:0 0 0 0 5 1 0`).flatMap((each) => [
    endText(each.local),
    endText(each.remote),
  ]);

test('the ends of a connection are written as ss reads them', () => {
  assert.deepEqual(ends('0100007F:1F90', '0801000A:0050'), ['127.0.0.1:8080', '10.0.1.8:80']);
  assert.deepEqual(ends('B80D0120000000000000000007000000:D431', '0000000000000000FFFF00000901000A:0050'), [
    '[2001:db8:0:0:0:0:0:7]:54321',
    '[0:0:0:0:0:ffff:a00:109]:80',
  ]);
});
