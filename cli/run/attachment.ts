import { cgroupAttachment, type ChosenAttachment, hostAttachment } from '../../bpf/probe.ts';
import { BouhekiError } from '../../error/error.ts';
import type { RecorderOptions } from '../option/recorder-option.ts';

/**
 * How the kernel side is to be attached. Throws BouhekiError `usage` for a combination that means nothing.
 */
export function attachmentOf({ backend, cgroup }: RecorderOptions): ChosenAttachment {
  const reason = backend === 'auto' ? 'asked for by --cgroup' : 'asked for by --backend';
  switch (backend) {
    case 'auto':
      return cgroup === undefined ? hostAttachment() : { attachment: cgroupAttachment(cgroup), reason };
    case 'cgroup':
      if (cgroup !== undefined) return { attachment: cgroupAttachment(cgroup), reason };
      throw new BouhekiError('usage', 'the backend cgroup needs to know whose connections are meant', {
        remedy: 'name the directory of a cgroup: --cgroup /sys/fs/cgroup/..., or --cgroup / for all of them',
      });
    case 'lsm':
    case 'fmod_ret':
      if (cgroup === undefined) return { attachment: { backend }, reason };
      throw new BouhekiError('usage', `the backend ${backend} watches the whole host, not a cgroup`, {
        remedy: 'leave --cgroup out, or --backend',
      });
  }
}
