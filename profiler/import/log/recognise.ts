import { JsonObject } from './json-line.ts';
import type { LogFormat } from './log-format.ts';
import { isVpcHeader } from './vpc-flow.ts';

/** The log that a file is by its first line; undefined where that could be something else too. */
export function recogniseLog(first: string): LogFormat | undefined {
  if (first.startsWith('{')) return recogniseJson(JsonObject.parse(first));
  if (/^#(?:separator|fields)\b/.test(first)) return 'zeek';
  if (/^\s*(?:\[\d+(?:\.\d+)?\s*\]\s*)?\[(?:NEW|UPDATE|DESTROY)\]\s/.test(first)) return 'conntrack';
  if (/^Netid\s+State\s+Recv-Q\s/.test(first)) return 'ss';
  const words = first.trim().split(/ +/);
  const isDefault = words.length === 14 && /^2 (?:\d{12}|unknown) eni-/.test(first);
  return isVpcHeader(words) || isDefault ? 'vpc-flow' : undefined;
}

function recogniseJson(object: JsonObject | undefined): LogFormat | undefined {
  if (object === undefined) return undefined;
  if (object.has('event_type') && object.has('timestamp')) return 'eve';
  if (object.keys().some((key) => /^process_(?:exec|exit|kprobe|lsm|tracepoint|loader)$/.test(key)))
    return 'tetragon';
  return object.has('id.orig_h') && object.has('ts') ? 'zeek' : undefined;
}
