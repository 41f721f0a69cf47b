import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SystemError } from '../../../bpf/libbpf.ts';
import { Enforcement } from '../../../cli/enforcement.ts';
import { parsePolicy } from '../../../policy/parse.ts';
import { ContainerNames } from '../../../profiler/container.ts';
import { KernelTables } from '../enforcer/kernel-tables.ts';

const E2BIG = 7;

test('a table that is full of cgroups is told once, and ends nothing', () => {
  const kernel = new KernelTables();
  const warnings: string[] = [];
  const enforcement = new Enforcement(kernel.egress, new ContainerNames([]), (text) => warnings.push(text));
  const { policy } = parsePolicy('version: 2\nnetwork: { allow: [] }', 'test.yaml');
  enforcement.apply(policy!);
  const { set } = kernel.subjects;
  kernel.subjects.set = () => {
    throw new SystemError('update of subjects', E2BIG);
  };
  enforcement.cgroupMade(1n, '/a');
  enforcement.cgroupMade(2n, '/b');
  assert.equal(warnings.length, 1);
  kernel.subjects.set = set;
  enforcement.cgroupMade(3n, '/c');
  assert.equal(kernel.epochs, 1);
});
