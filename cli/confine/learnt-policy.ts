import { printPolicy } from '../../policy/file/print.ts';
import { openReader } from '../../profiler/read/read.ts';
import { type MadeFile, writeOutput } from '../option/output-file.ts';
import { generate, type GenerateOptions } from '../run/generate.ts';

/** How a policy is generated of a command: it is held to it from then on. */
const OPTIONS: Omit<GenerateOptions, 'db' | 'output'> = {
  mode: 'block',
  target: 'host',
  deny: [],
  allowLoss: false,
  includeDenied: false,
  allowCommandRules: false,
  by: 'auto',
  destinations: 'auto',
  layout: 'rules',
  evidence: 'line',
  exactPorts: false,
  curve: false,
  summary: false,
  prove: false,
  check: false,
  json: false,
  verbose: false,
};

/** Writes the policy that a record explains. What connected to nothing needs nothing: its policy allows nothing. */
export async function writeLearnt(db: string, file: string, owner: MadeFile['owner']): Promise<void> {
  if (await isEmpty(db))
    writeOutput(file, printPolicy({ mode: 'block', target: 'host', allow: [] }), { owner });
  else await generate({ ...OPTIONS, db, output: file, owner });
}

async function isEmpty(db: string): Promise<boolean> {
  const reader = await openReader(db);
  try {
    return (await reader.observations()).length === 0;
  } finally {
    reader.close();
  }
}
