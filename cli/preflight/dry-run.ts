import { blocksSome, modeNames } from '../../policy/meaning/mode.ts';
import type { Mode } from '../../policy/meaning/policy.ts';
import { PolicySource } from '../option/policy-source.ts';
import { warnAtOnce } from '../option/policy-reader.ts';
import { jsonDocument } from '../terminal/json-document.ts';
import { viewOf } from '../terminal/view.ts';
import { findAll, type PreflightOptions, stopping } from './preflight.ts';
import { describeEnd, findingsText } from './preflight-text.ts';

/** What `enforce --dry-run` was asked for. */
export interface DryRunOptions extends PreflightOptions {
  json?: boolean;
  mode?: Mode;
  fleetDir?: string;
}

/** Prints the pre-flight of a policy. Nothing is attached, recorded or blocked. */
export async function dryRun(file: string, options: DryRunOptions): Promise<void> {
  const read = new PolicySource(options.mode, warnAtOnce, options.fleetDir).read(file);
  const findings = await findAll(read, options);
  const force = options.force === true;
  const stops = stopping(findings).length > 0;
  if (options.json) {
    const told = findings.map(({ table: _table, ...rest }) => rest);
    process.stdout.write(
      jsonDocument('preflight', { ok: !stops, ...modeNames(read.policy), findings: told }),
    );
  } else {
    process.stdout.write(findingsText(findings, viewOf(process.stdout)));
    process.stderr.write(describeEnd(findings, force));
    if (!blocksSome(read.policy)) {
      const instead = read.policy.modes ? '' : ' This is what it would do with --mode block.';
      process.stderr.write(`The policy monitors: it blocks nothing.${instead}\n`);
    }
  }
  if (stops && !force) process.exitCode = 1;
}
