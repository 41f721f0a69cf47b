import assert from 'node:assert/strict';
import type { Egress } from '../../../bpf/egress.ts';
import { applyPolicy } from '../../../enforcer/apply.ts';
import { type CompiledPolicy, compilePolicy } from '../../../enforcer/compile.ts';
import { parsePolicy } from '../../../policy/file/parse.ts';

/** Compiles a policy in block mode whose rules are given as YAML. */
export function compileRules(rules: string): CompiledPolicy {
  const { policy, problems } = parsePolicy(`version: 2\nnetwork:\n  mode: block\n${rules}`, 'test');
  assert(policy, problems.map(({ message }) => message).join('\n'));
  return compilePolicy(policy, () => undefined);
}

/** Puts it in force for the whole host. */
export function block(egress: Egress, compiled: CompiledPolicy, record = false): void {
  applyPolicy(egress, compiled, { mode: 'block', target: 'host', record, cgroups: [] });
}
