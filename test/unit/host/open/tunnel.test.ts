import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { acceptedIn } from '../../../../host/open/mptcp.ts';
import { findTunnels } from '../../../../host/open/tunnel.ts';

const root = mkdtempSync(join(tmpdir(), 'tunnel-'));
after(() => rmSync(root, { recursive: true }));

/** A device as sysfs shows it: the values are those of a real one of that kind. */
function device(name: string, files: Record<string, string>): void {
  mkdirSync(join(root, name));
  const usual = { flags: '0x1003', type: '1', iflink: '7', uevent: `INTERFACE=${name}\nIFINDEX=7\n` };
  for (const [file, text] of Object.entries({ ...usual, ...files })) {
    writeFileSync(join(root, name, file), `${text}\n`);
  }
}

test('devices that put packets into others are told from all else', () => {
  device('eth0', {});
  device('lo', { type: '772', iflink: '1', flags: '0x9' });
  device('br0', { uevent: 'DEVTYPE=bridge\n' });
  device('wlan0', { uevent: 'DEVTYPE=wlan\n' });
  device('veth1', { iflink: '4' });
  device('tun0', { type: '65534', tun_flags: '0x1001', flags: '0x1091' });
  device('tap0', { tun_flags: '0x1002', flags: '0x1002' });
  device('wg0', { type: '65534', uevent: 'DEVTYPE=wireguard\nINTERFACE=wg0\n' });
  device('vxlan9', { uevent: 'DEVTYPE=vxlan\nINTERFACE=vxlan9\n' });
  device('tunl0', { type: '768', flags: '0x80' });
  device('gre1', { type: '778' });
  device('gretap1', { iflink: '0' });
  device('ppp0', { type: '512', uevent: 'DEVTYPE=ppp\n' });
  assert.deepEqual(
    findTunnels(root).map(({ kind, name, up }) => `${name} ${kind} ${up ? 'up' : 'down'}`),
    [
      'gre1 gre up',
      'gretap1 gretap or the like up',
      'ppp0 ppp up',
      'tap0 tap down',
      'tun0 tun up',
      'tunl0 ipip down',
      'vxlan9 vxlan up',
      'wg0 wireguard up',
    ],
  );
});

test('where no devices can be listed there is none', () => {
  assert.deepEqual(findTunnels(join(root, 'none')), []);
});

test('the limit of MPTCP is read out of what ip says', () => {
  assert.equal(acceptedIn('add_addr_accepted 0 subflows 2 \n'), 0);
  assert.equal(acceptedIn('add_addr_accepted 8 subflows 8 \n'), 8);
  assert.equal(acceptedIn('Object "mptcp" is unknown, try "ip help".\n'), undefined);
});
