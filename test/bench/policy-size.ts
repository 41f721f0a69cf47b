import { parseAddress } from '../../policy/value/address.ts';
import { diffPolicies } from '../../policy/analysis/diff.ts';
import { compileEvaluator } from '../../policy/meaning/evaluator.ts';
import { lintPolicy } from '../../policy/analysis/lint.ts';
import { parsePolicy } from '../../policy/file/parse.ts';
import type { Flow } from '../../policy/meaning/policy.ts';
import { largePolicy } from './large-policy.ts';

/** Times what commands do with 10,000 rules and 100,000 prefixes: `node dist/test/bench/policy-size.js [RULES]`. */
const RULES = Number(process.argv[2] ?? 10_000);
const source = largePolicy(RULES, 10);

const timed = <T>(name: string, work: () => T): T => {
  const start = performance.now();
  const result = work();
  process.stdout.write(`${name}: ${(performance.now() - start).toFixed(0)} ms\n`);
  return result;
};

process.stdout.write(`${RULES} rules, ${RULES * 10} prefixes, ${source.length} characters\n`);
const { policy } = timed('parse', () => parsePolicy(source, 'large.yaml'));
timed('lint', () => lintPolicy(policy!));
const judge = timed('compile the evaluator', () => compileEvaluator(policy!));
const flows = Array.from({ length: 100_000 }, (_, index): Flow => {
  const rule = index % RULES;
  const id = { uid: rule, euid: rule, gid: 0, egid: 0 };
  const address = parseAddress(`10.${(index >> 8) & 255}.${index & 255}.7`)!;
  return {
    command: 'app',
    exe: `/usr/bin/app${rule}`,
    ...id,
    inContainer: false,
    address,
    port: 443,
    protocol: 6,
  };
});
timed('judge 100,000 connections', () => flows.map(judge));
const changed = parsePolicy(source.replace('port: [443, ', 'port: [444, '), 'changed.yaml').policy!;
const { gained, lost } = timed('diff after one change', () => diffPolicies(policy!, changed));
process.stdout.write(`gained ${gained.length}, lost ${lost.length}\n`);
