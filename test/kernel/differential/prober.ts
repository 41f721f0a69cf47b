import { SocketKind } from '../../../bpf/wire.ts';
import type { Flow } from '../../../policy/meaning/policy.ts';
import { LineProcess } from '../line-process.ts';

const EPERM = 1;
/** The kernel has no such socket. */
const ABSENT = -1;

/** A process that connects, or opens sockets, as the subject that it is asked to be. */
export class Prober implements AsyncDisposable {
  readonly #process: LineProcess;

  private constructor(process: LineProcess) {
    this.#process = process;
  }

  /** `command` starts test/kernel/differential/prober.c. */
  static async start(command: readonly string[]): Promise<Prober> {
    return new Prober(await LineProcess.start(command));
  }

  /** For each flow whether the kernel denied it; undefined where it has no such socket. */
  async judge(flows: readonly { flow: Flow; cgroup: string }[]): Promise<(boolean | undefined)[]> {
    this.#process.tell(flows.map(({ flow, cgroup }) => lineOf(flow, cgroup)).join(''));
    const verdicts: (boolean | undefined)[] = [];
    for (let count = 0; count < flows.length; count += 1) {
      const errno = Number(await this.#process.line());
      verdicts.push(errno === ABSENT ? undefined : errno === EPERM);
    }
    return verdicts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}

function lineOf(flow: Flow, cgroup: string): string {
  const { uid, euid, gid, egid, command, protocol, address, port, socket } = flow;
  const kind = socket === undefined ? 0 : SocketKind[socket];
  const comm = Buffer.from(command).subarray(0, 15).toString('hex');
  const digits = address.family === 4 ? 8 : 32;
  const hex = address.value.toString(16).padStart(digits, '0');
  const { fsgid = egid, fsuid = euid, groups = [] } = flow;
  const others = groups.length > 0 ? groups.join() : '-';
  return `${[uid, euid, fsuid, gid, egid, fsgid, others, comm, cgroup, address.family, protocol, hex, port, kind].join(' ')}\n`;
}
