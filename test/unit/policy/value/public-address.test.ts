import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../../../../policy/value/address.ts';
import { prefixGroup, PREFIX_GROUPS } from '../../../../policy/value/prefix-group.ts';
import { intersectPrefixes } from '../../../../policy/value/prefix-set.ts';
import { isPublic, PUBLIC } from '../../../../policy/value/public-address.ts';

const words = (text: string) => text.trim().split(/\s+/);

test('addresses that anybody on the internet may have are public', () => {
  for (const text of words(`
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 172.15.255.255 172.32.0.0
    192.0.1.0 192.167.255.255 198.17.255.255 198.20.0.0 223.255.255.255 ::ffff:1.1.1.1
    2001:200::1 2606:4700::1111 2a00:1450::1 3ffe::1 64:ff9b::1.1.1.1`)) {
    assert.ok(isPublic(parseAddress(text)!), text);
  }
});

test('what means this host, its network or no host at all is not public, in whatever form it is written', () => {
  for (const text of words(`
    0.0.0.0 0.1.2.3 10.0.0.5 100.64.0.1 100.100.100.200 127.0.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1
    192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.7 224.0.0.1 239.255.255.255
    240.0.0.1 255.255.255.255 :: ::1 ::10.0.0.5 ::ffff:10.0.0.5 ::ffff:169.254.169.254 64:ff9b::10.0.0.5
    64:ff9b::169.254.169.254 64:ff9b::127.0.0.1 64:ff9b:1::1.1.1.1 100::1 2001::1 2001:db8::1 2002:a00:5::1 3fff::1
    4000::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1`)) {
    assert.ok(!isPublic(parseAddress(text)!), text);
  }
});

test('no named group but public has a public address', () => {
  for (const name of PREFIX_GROUPS) {
    if (name !== 'public') assert.deepEqual(intersectPrefixes(prefixGroup(name)!, PUBLIC), [], name);
  }
});
