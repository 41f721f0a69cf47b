import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { arch, release } from 'node:os';
import { join } from 'node:path';
import { libbpf } from '../../bpf/libbpf.ts';
import { hostAttachment } from '../../bpf/probe.ts';
import { BouhekiError } from '../../error/error.ts';
import { programFile } from '../../host/program-file.ts';
import { engineVersion } from '../../profiler/database/database.ts';
import { jsonDocument } from '../terminal/json-document.ts';
import { packageVersion } from '../report/version.ts';

/** Of what this installation is made, and where it runs. What cannot be told here is why in its place: `missing`. */
export function versionJson(): string {
  const backend = orReason(() => {
    const { attachment, reason } = hostAttachment();
    return { name: attachment.backend, reason };
  });
  return jsonDocument('version', {
    bouheki: packageVersion(),
    node: process.versions.node,
    libbpf: orReason(() => libbpf().libbpf_version_string()),
    duckdb: orReason(engineVersion),
    kernel: release(),
    architecture: arch(),
    backend,
    objects: orReason(objects),
  });
}

/** The SHA-256 of each BPF object, by its file's name. */
function objects(): Record<string, string> {
  const folder = programFile('bpf');
  const files = readdirSync(folder).filter((file) => file.endsWith('.bpf.o'));
  return Object.fromEntries(
    files.toSorted().map((file) => [
      file,
      createHash('sha256')
        .update(readFileSync(join(folder, file)))
        .digest('hex'),
    ]),
  );
}

function orReason<T>(ask: () => T): T | { missing: string } {
  try {
    return ask();
  } catch (error) {
    if (error instanceof BouhekiError || (error as NodeJS.ErrnoException).code !== undefined)
      return { missing: (error as Error).message };
    throw error;
  }
}
