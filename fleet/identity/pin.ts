import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import { BouhekiError } from '../../error/error.ts';
import { pemOf } from './identity.ts';
import { digestOf } from './key.ts';

/** Milliseconds for a hub to show its certificates. */
const PATIENCE = 10_000;
/** Longer chains are not followed. */
const MOST = 8;

/**
 * The certificate (PEM) of the authority of this digest, which the hub at an address shows with its own. Nothing else of
 * this connection is believed: the hub is verified by that authority when it is asked for something. Throws BouhekiError
 * `fleet-away` where there is no hub, and `untrusted` where it shows no such authority.
 */
export async function fetchAuthority(address: string, digest: string): Promise<string> {
  const chain = await chainOf(address);
  const authority = chain.find((certificate) => digestOf(certificate) === digest);
  if (authority === undefined) {
    throw new BouhekiError('untrusted', `what answers at ${address} is not the hub of this token`, {
      remedy: 'check the address; a token of a hub whose authority was replaced is to be made anew',
    });
  }
  return pemOf([authority]);
}

async function chainOf(address: string): Promise<Buffer[]> {
  const at = address.lastIndexOf(':');
  const host = address.slice(0, at).replace(/^\[(.*)\]$/, '$1');
  const socket = connect({
    host,
    port: Number(address.slice(at + 1)),
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3',
    ALPNProtocols: ['h2'],
    timeout: PATIENCE,
  });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('the connection was closed')));
      socket.once('timeout', () => reject(new Error('no answer in time')));
    });
    return certificatesOf(socket);
  } catch (error) {
    throw new BouhekiError('fleet-away', `no hub answers at ${address}`, {
      remedy: 'check the address, and that a firewall lets the port of enrolment through',
      detail: (error as Error).message,
      cause: error,
    });
  } finally {
    socket.destroy();
  }
}

function certificatesOf(socket: TLSSocket): Buffer[] {
  const chain: Buffer[] = [];
  let each: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (each?.raw !== undefined && chain.length < MOST) {
    chain.push(each.raw);
    // One that has signed itself is its own issuer.
    each = each.issuerCertificate === each ? undefined : each.issuerCertificate;
  }
  return chain;
}
