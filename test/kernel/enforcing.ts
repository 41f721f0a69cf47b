import { Egress } from '../../bpf/egress.ts';
import { type Attachment, hostAttachment, mayLeaveOut } from '../../bpf/probe.ts';
import { cgroupRoot } from '../../host/cgroup-root.ts';

/** Loads the kernel side as `enforce` does: with a second judge where the kernel may leave out the first. */
export function loadEnforcing(attachment: Attachment = hostAttachment().attachment): Egress {
  const second = mayLeaveOut(attachment.backend);
  const egress = Egress.load(attachment, undefined, { blocks: second ? 'twice' : true });
  if (second) egress.attachSecondJudge(cgroupRoot());
  return egress;
}
