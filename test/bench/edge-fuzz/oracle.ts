import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { evaluate } from '../../../policy/meaning/evaluate.ts';
import { parseAddress } from '../../../policy/value/address.ts';
import { parsePolicy } from '../../../policy/file/parse.ts';
import type { Flow } from '../../../policy/meaning/policy.ts';

export const DENIED = '10.0.1.66';
export const ALLOWED = '10.0.1.2';
const PORT = 80;
const UID = 1000;

/** Asks every 10 ms; prints its counts once a second, and every verdict that is wrong. */
const ASKER = `
import errno, socket, sys, time
denied, allowed, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
checks = 0
def code(call):
    try:
        call()
        return 'reached'
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
def tcp(address):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.settimeout(60)
        s.connect((address, port))
def udp(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b'x', (address, port))
def check(what, want, call, address):
    global checks
    checks += 1
    got = code(lambda: call(address))
    if got != want:
        print('wrong', what, address, got, flush=True)
turn, told = 0, 0
while True:
    check('connect', 'EPERM', tcp, denied)
    check('send', 'EPERM', udp, denied)
    check('send', 'reached', udp, allowed)
    if turn % 10 == 0:
        check('connect', 'reached', tcp, allowed)
    turn += 1
    if time.monotonic() - told > 1:
        told = time.monotonic()
        print('checks', checks, flush=True)
    time.sleep(0.01)
`;

/** A process of an ordinary user that asks again and again for an address that is denied and one that is allowed. */
export class Asker {
  readonly #child: ChildProcess;
  checks = 0;
  /** Verdicts that were not what the policy says, in words. */
  readonly wrong: string[] = [];

  private constructor() {
    const who = ['--reuid', String(UID), '--regid', String(UID), '--clear-groups'];
    const words = ['/usr/bin/python3', '-c', ASKER, DENIED, ALLOWED, String(PORT)];
    this.#child = spawn('setpriv', [...who, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      const [kind, ...rest] = line.split(' ');
      if (kind === 'checks') this.checks = Number(rest[0]);
      else this.wrong.push(rest.join(' '));
    });
    this.#child.once('exit', (code, signal) => {
      if (signal !== 'SIGTERM') this.wrong.push(`the asker ended with ${code ?? signal}`);
    });
  }

  /** Resolves when it has asked. */
  static async start(): Promise<Asker> {
    const asker = new Asker();
    await Promise.race([once(asker.#child.stdout!, 'data'), once(asker.#child, 'exit')]);
    if (asker.#child.exitCode !== null) throw new Error(`the asker ended with ${asker.#child.exitCode}`);
    return asker;
  }

  async end(): Promise<void> {
    const ended = once(this.#child, 'close');
    this.#child.kill('SIGTERM');
    await ended;
  }
}

/**
 * Whether a policy file may be given to the enforcer while the asker asks: it is refused as a whole, or it says of both
 * addresses what the asker expects.
 */
export function keepsVerdicts(text: string): boolean {
  const { policy } = parsePolicy(text, 'fuzz.yaml');
  if (!policy) return true;
  if (policy.mode !== 'block' || policy.target !== 'host') return false;
  const verdict = (address: string, protocol: number): string =>
    evaluate(policy, { ...WHO, address: parseAddress(address)!, protocol }).action;
  return [6, 17].every(
    (protocol) => verdict(DENIED, protocol) === 'deny' && verdict(ALLOWED, protocol) === 'allow',
  );
}

const WHO: Omit<Flow, 'address' | 'protocol'> = {
  command: 'python3',
  exe: '/usr/bin/python3',
  uid: UID,
  euid: UID,
  gid: UID,
  egid: UID,
  cgroup: '/',
  inContainer: false,
  port: PORT,
};
