const NAME = /^[A-Za-z0-9][\w.-]{0,62}$/;

/** Whether a workload can be called this. */
export function isWorkloadName(text: string): boolean {
  return NAME.test(text);
}
