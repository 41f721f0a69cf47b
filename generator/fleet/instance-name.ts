import type { Subject } from '../../profiler/read/observation.ts';

/** A subject of a fleet: hosts wrote `*` for what names one instance of a container. */
interface InstanceSubject extends Subject {
  instances: true;
}

/** How hosts write the name of a container that is one of several. */
const INSTANCES = /^[^*]*[^*\s-][-_]\*$/;

/** The subject with the name of its container taken for a pattern, where it is one. */
export function withInstances(subject: Subject): Subject {
  if (subject.container === undefined || !INSTANCES.test(subject.container)) return subject;
  return Object.assign({}, subject, { instances: true as const });
}

/** Whether the name of its container stands for instances, so that a rule has it as it is. */
export function namesInstances(subject: Subject): boolean {
  return (subject as Partial<InstanceSubject>).instances === true;
}
