/** In a list of a policy `@s3` stands for what the set `s3` holds. */
const SIGN = '@';

const NAME = /^[A-Za-z0-9][\w.-]{0,62}$/;

/** Whether a value of a list names a set. */
export function isSetReference(value: string | number): value is string {
  return typeof value === 'string' && value.startsWith(SIGN);
}

/** How a list names a set. */
export function setReference(name: string): string {
  return `${SIGN}${name}`;
}

/** The set that a reference names. */
export function setNameOf(reference: string): string {
  return reference.slice(SIGN.length);
}

/** Whether a set may have this name. */
export function isSetName(name: string): boolean {
  return NAME.test(name);
}
