import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatOpening, parseOpening } from '../../../../policy/value/opening.ts';
import type { SocketKind } from '../../../../policy/value/socket-kind.ts';

test('the number that a socket was opened with is named by what it is, an EtherType, a family or a protocol', () => {
  const cases: [SocketKind, number, string][] = [
    ['packet', 0x0800, '0x0800'],
    ['packet', 6, '0x0006'],
    ['packet', 0, '0x0000'],
    ['raw', 6, 'tcp'],
    ['raw', 255, '255'],
    ['source-route', 17, 'udp'],
    ['other', 6, 'AF_NETROM'],
    ['other', 40, 'AF_VSOCK'],
    ['other', 1, '1'],
    // The family of RxRPC and the protocol DCCP have one number.
    ['other', 33, '33'],
    ['other', 132, 'sctp'],
    ['other', 136, '136'],
  ];
  for (const [kind, number, text] of cases) {
    assert.equal(formatOpening(kind, number), text);
    assert.equal(parseOpening(kind, text), number, text);
  }
});

test('what was exported before is read as the number that it stood for', () => {
  assert.equal(parseOpening('packet', '2048'), 0x0800);
  assert.equal(parseOpening('packet', 'tcp'), 6);
  assert.equal(parseOpening('other', 'udp'), 17);
  for (const text of ['0x10000', '65536', 'AF_NONE', '', '-1', '0x']) {
    assert.equal(parseOpening('packet', text), undefined, text);
  }
  assert.equal(parseOpening('raw', 'AF_VSOCK'), undefined);
});
