import { Answer, AnswerFlag } from '../../bpf/wire.ts';
import type { Address } from '../../policy/value/address.ts';
import type { Records } from '../event/decode.ts';

/** Who asked. */
export interface Asker {
  pid: number;
  /** Nanoseconds since boot: with the pid it is one process, whatever that executes. */
  started: bigint;
  /** Id of its cgroup. */
  cgroup: bigint;
  networkNamespace: number;
}

/** An answer to a DNS query, as the kernel side reports it. */
export interface AnswerRecord {
  asker: Asker;
  resolver: Address;
  /** It came by the loopback device. */
  near: boolean;
  /** It makes its addresses known, for verdicts too; or somebody else speaks as that resolver. */
  trusted: boolean;
  doubted: boolean;
  /** Nanoseconds since boot. */
  time: bigint;
  message: Buffer;
}

export function decodeAnswer({ bytes, view }: Records, at: number): AnswerRecord {
  const { offset } = Answer;
  const message = at + offset.message;
  const length = view.getUint32(at + offset.length, true);
  const resolver = at + offset.resolver;
  const flags = view.getUint8(at + offset.flags);
  return {
    asker: {
      pid: view.getUint32(at + offset.pid, true),
      started: view.getBigUint64(at + offset.started, true),
      cgroup: view.getBigUint64(at + offset.cgroup, true),
      networkNamespace: view.getUint32(at + offset.network_namespace, true),
    },
    resolver:
      view.getUint8(at + offset.family) === 4
        ? { family: 4, value: BigInt(view.getUint32(resolver)) }
        : { family: 6, value: (view.getBigUint64(resolver) << 64n) | view.getBigUint64(resolver + 8) },
    near: (flags & AnswerFlag.near) !== 0,
    trusted: (flags & AnswerFlag.trusted) !== 0,
    doubted: (flags & AnswerFlag.doubted) !== 0,
    time: view.getBigUint64(at + offset.time, true),
    // A copy: the ring is overwritten.
    message: Buffer.from(bytes.subarray(message, message + length)),
  };
}
