import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const RESOLV_CONF = '/etc/resolv.conf';
const FIRST_PORT = '/proc/sys/net/ipv4/ip_unprivileged_port_start';

/**
 * Gives the guest these resolvers, default routes over an interface without another end, and port 53 to everybody.
 * Returns a function that takes all of it back: the next test file runs in the same guest.
 */
export function prepareGuest(resolvers: readonly string[], addresses: readonly string[] = []): () => void {
  const resolvConf = readFileSync(RESOLV_CONF);
  const firstPort = readFileSync(FIRST_PORT);
  const lines = resolvers.map((address) => `nameserver ${address}\n`).join('');
  writeFileSync(RESOLV_CONF, `${lines}options timeout:2\n`);
  writeFileSync(FIRST_PORT, '53');
  ip('link add far type dummy');
  ip('link set far up');
  ip('route add default dev far');
  for (const address of addresses) ip(`-6 address add ${address} dev far nodad`);
  ip('-6 route add default dev far');
  return () => {
    ip('link del far');
    writeFileSync(FIRST_PORT, firstPort);
    writeFileSync(RESOLV_CONF, resolvConf);
  };
}

function ip(words: string): void {
  const { status, stderr } = spawnSync('ip', words.split(' '), { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${words}: ${stderr}`);
}
