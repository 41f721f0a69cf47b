import { createSocket } from 'node:dgram';
import type { Egress } from './egress.ts';
import { CANARY_ADDRESS } from './wire.ts';

/**
 * Proves that the kernel really asks our programs: a UDP connect() of our own to an address that nobody has (nothing
 * is sent) must get EPERM while the canary is set. Attaching alone succeeds even where `bpf` is no active LSM.
 */
export async function provesItself(egress: Egress): Promise<boolean> {
  egress.setCanary(process.pid);
  try {
    return (await connectError()) === 'EPERM';
  } finally {
    egress.setCanary(0);
  }
}

function connectError(): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    // A failure is given to the callback, which the types of Node do not know.
    const finish = (error?: NodeJS.ErrnoException) => {
      socket.close();
      resolve(error?.code);
    };
    socket.connect(9, CANARY_ADDRESS, finish);
  });
}
