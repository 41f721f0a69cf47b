import { parsePrefix, type Prefix } from '../../policy/value/cidr.ts';

/** Where connections that are shown go: a prefix, a port, or both. */
export interface Where {
  prefix?: Prefix;
  port?: number;
}

/** `10.0.0.0/8`, `192.0.2.1:443`, `:53`, `2001:db8::/32`, `[2001:db8::1]:443`; undefined for any other text. */
export function parseWhere(text: string): Where | undefined {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text);
  const address = match === null ? text : (match[1] ?? match[2]!);
  const port = match?.[3] === undefined ? undefined : Number(match[3]);
  const prefix = address === '' ? undefined : parsePrefix(address);
  if (address !== '' && prefix === undefined) return undefined;
  if ((prefix === undefined && port === undefined) || port! > 65_535) return undefined;
  return { ...(prefix && { prefix }), ...(port !== undefined && { port }) };
}
