import { Egress } from '../../bpf/egress.ts';
import { type Attachment, hostAttachment, mayLeaveOut } from '../../bpf/probe.ts';
import type { KernelNeeds } from '../../bpf/requirement.ts';
import type { RingSizes } from '../../bpf/share.ts';
import { Counter } from '../../bpf/wire.ts';
import { cgroupRoot } from '../../host/cgroup-root.ts';

/** Loads the kernel side as `enforce` does: with a second judge where the kernel may leave out the first. */
export function loadEnforcing(
  attachment: Attachment = hostAttachment().attachment,
  rings?: RingSizes,
  needs: KernelNeeds = {},
): Egress {
  const second = mayLeaveOut(attachment.backend);
  const egress = Egress.load(attachment, rings, { ...needs, blocks: second ? 'twice' : true });
  if (second) egress.attachSecondJudge(cgroupRoot());
  return egress;
}

/**
 * How many runs the kernel has left out so far. What the second judge is not shown goes unjudged then, and what has the
 * mark of the one before goes uncounted: see docs/limits.md.
 */
export function leftOut(egress: Egress): number {
  return egress.counters()[Counter.skippedRun]!;
}
