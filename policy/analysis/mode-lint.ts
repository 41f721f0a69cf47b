import { FROM, FROM_DIMENSIONS, isTextDimension } from '../meaning/dimension.ts';
import { actionOf } from '../meaning/mode.ts';
import type { Box, From, ModeEntry, Policy } from '../meaning/policy.ts';
import type { Finding } from './lint.ts';
import { coversBox } from './subsume.ts';

type Remark = Omit<Finding, 'box' | 'modeEntry'>;

/** What is odd about the mode entries of a policy. */
export function lintModes({ mode, modes = [] }: Policy): Finding[] {
  const different = modes.findLastIndex((entry) => entry.mode !== mode);
  return modes.flatMap((entry, index) =>
    lintEntry(entry, modes.slice(0, index), index > different).map((each) =>
      Object.assign(each, { modeEntry: index }),
    ),
  );
}

/** `idle`: that no entry from it on has another mode than the policy. */
function lintEntry(entry: ModeEntry, earlier: readonly ModeEntry[], idle: boolean): Remark[] {
  const who = `mode entry "${entry.name}"`;
  const by = earlier.find((each) => coversEntry(each, entry));
  if (by !== undefined) {
    const message = `${who} never decides: "${by.name}" before it has all its subjects`;
    return [{ kind: 'unreachable', message, help: 'remove it, or move it up' }];
  }
  if (idle) {
    const message = `${who} changes nothing: all others are in ${entry.mode} mode too`;
    return [{ kind: 'subsumed', message, help: 'remove it' }];
  }
  return lintSubject(who, entry.from);
}

/** Whether an entry decides wherever a later one could: one that blocks matches what is not known, too. */
function coversEntry(outer: ModeEntry, inner: ModeEntry): boolean {
  if (outer.mode === 'monitor' && inner.mode === 'block') return Object.keys(outer.from).length === 0;
  return coversBox(boxOf(outer), boxOf(inner));
}

function boxOf({ from, mode, name }: ModeEntry): Box {
  return { action: actionOf({ mode }), name, from, to: {} };
}

/** What is no security boundary in a subject, of which `who` is what names it. */
export function lintSubject(who: string, from: From): Remark[] {
  const remarks: Remark[] = [];
  const subjects = FROM_DIMENSIONS.filter((dimension) => from[dimension]);
  if (subjects.length > 0 && subjects.every((each) => isTextDimension(each) && FROM[each].role === 'claim')) {
    remarks.push({
      kind: 'command-only',
      message: `${who} names its subject by ${subjects.join(' and ')} only: no security boundary, since any process can rename itself`,
      help: 'add exe, uid, container or unit',
    });
  }
  if (from.script && !from.exe) {
    const message = `${who} names a script without its interpreter, and any program can be started with that name`;
    remarks.push({ kind: 'script-only', message, help: 'add exe' });
  }
  return remarks;
}
