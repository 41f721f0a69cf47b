import { readFileSync } from 'node:fs';
import { BouhekiError } from '../../../../error/error.ts';
import { type Plan, type PlanFault, readPlan } from '../../../../fleet/release/plan.ts';
import type { Mode } from '../../../../fleet/wire/manifest.ts';
import { renderProblem } from '../../../../policy/file/problem.ts';
import { readYaml } from '../../../../policy/file/yaml-source.ts';

/** The plan in a file, YAML or JSON. Throws BouhekiError `fleet` that shows each fault with line and column. */
export function readPlanFile(path: string, mode: Mode): Plan {
  const text = readText(path);
  const source = readYaml(text);
  if (source.faults.length > 0) {
    throw invalid(
      path,
      text,
      source.faults.map(({ message, offset }) => ({ offset, message })),
    );
  }
  const { faults, plan } = readPlan(source.value, mode);
  if (faults.length === 0) return plan;
  throw invalid(
    path,
    text,
    faults.map((fault) => ({ offset: offsetIn(source, fault), message: fault.message })),
  );
}

function offsetIn(source: ReturnType<typeof readYaml>, { message, path }: PlanFault): number {
  return message.startsWith('unknown key') ? source.offsetOfKey(path) : source.offsetOf(path);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new BouhekiError('fleet', `cannot read the plan ${path}`, {
      remedy: 'name a file of YAML or JSON with --plan',
      detail: (error as Error).message,
      cause: error,
    });
  }
}

function invalid(
  path: string,
  text: string,
  faults: readonly { offset: number; message: string }[],
): BouhekiError {
  const shown = faults.map(({ message, offset }) => {
    const before = text.slice(0, offset).split('\n');
    const place = { line: before.length, column: before.at(-1)!.length + 1, path: '' };
    return renderProblem({ severity: 'error', file: path, message, ...place }, text);
  });
  return new BouhekiError('fleet', `${path} is no valid plan`, {
    remedy: 'see docs/fleet.md for the keys of a plan',
    detail: shown.join('\n'),
  });
}
