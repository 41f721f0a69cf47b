import { type Attachment, hostAttachment } from '../../bpf/probe.ts';
import { cgroupRoot } from '../../host/cgroup-root.ts';

/** Tests of another file can be run with the backend `cgroup` on the whole host: set this, then import the file. */
export const BACKEND = 'BOUHEKI_TEST_BACKEND';

export function onCgroup(): boolean {
  return process.env[BACKEND] === 'cgroup';
}

/** What the tests attach to. */
export function testedAttachment(): Attachment {
  return onCgroup() ? { backend: 'cgroup', cgroup: cgroupRoot() } : hostAttachment().attachment;
}
