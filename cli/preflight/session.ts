import { socketsOf } from '../../host/open/socket-holder.ts';
import { SocketState } from '../../host/open/socket-table.ts';
import { type Address, formatAddress, parseAddress } from '../../policy/value/address.ts';
import { findAncestors } from '../../profiler/identity/ancestor.ts';
import type { Finding } from './finding.ts';
import type { HostState } from './host-state.ts';
import { finalAddress, type Judge } from './judge.ts';

/** What sshd sets: the client's address and port, then our own. sudo takes it away. */
const VARIABLE = 'SSH_CONNECTION';

/** What becomes of the session from which this is run. */
export function checkSession(judge: Judge, host: HostState, peer = peerOf(host)): Finding {
  const check = 'ssh';
  if (peer === undefined) {
    return {
      check,
      state: 'ok',
      what: 'This process is in no SSH session that can be seen. Sessions that this host has accepted go on, as no accepted connection is judged.',
    };
  }
  const rules = judge.rulesReaching(peer);
  const back =
    rules.length === 0 && !judge.partial
      ? ` No rule allows this host to connect to ${formatAddress(peer)} by itself.`
      : '';
  return {
    check,
    state: 'ok',
    what: `The session from ${formatAddress(peer)} goes on, and new ones can come: no accepted connection is judged.${back}`,
    entries: [{ peer: formatAddress(peer), rules }],
  };
}

/** The other end of the session. */
function peerOf(host: HostState): Address | undefined {
  return peerIn(process.env[VARIABLE]) ?? peerOfAncestors(host, ancestors());
}

/** Out of `198.51.100.7 51234 192.0.2.1 22`. */
export function peerIn(text: string | undefined): Address | undefined {
  return parseAddress(text?.split(' ')[0]?.replace(/%.*/, '') ?? '');
}

function ancestors(): number[] {
  return findAncestors(process.pid).map(({ pid }) => pid);
}

/** Whom a connection leads to that an ancestor of ours has accepted. */
function peerOfAncestors(
  { networks }: Pick<HostState, 'networks'>,
  pids: readonly number[],
): Address | undefined {
  const { tcp } = networks[0]!;
  const ports = new Set(
    tcp.filter(({ state }) => state === SocketState.listen).map(({ local }) => local.port),
  );
  for (const pid of pids) {
    const held = new Set(socketsOf(String(pid)));
    const session = tcp.find(
      ({ inode, local, state }) =>
        state === SocketState.established && held.has(inode) && ports.has(local.port),
    );
    if (session !== undefined) return finalAddress(session.remote);
  }
  return undefined;
}
