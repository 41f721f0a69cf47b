import { basename } from 'node:path';
import { type Level, testFiles } from './level.ts';

/** What one process or one virtual machine runs: a level's files, or a share of them. */
export interface Part {
  readonly level: Level;
  /** Undefined where the level runs outside a virtual machine. */
  readonly kernel: string | undefined;
  /** That kernel has no bpf among its active security modules. */
  readonly withoutBpf: boolean;
  /** Tests that can last longer do. */
  readonly long: boolean;
  readonly files: readonly string[];
  /** As it is printed: `e2e 2/4`, `kernel on 6.1 1/2`. */
  readonly label: string;
}

/** What is to be run of a level, and on what. */
export interface Selection {
  kernels: readonly string[];
  withoutBpf: boolean;
  long: boolean;
  /** Of all files those alone that take long. */
  leftOut?: boolean;
  /** Names of test files, without `.test.ts`; where there is none all of them, but for those that take long. */
  files: readonly string[];
}

const LONG = '.long';

/** The name of a compiled test file: `loop` of loop.test.js, `docker` of docker.long.test.js. */
export function nameOf(path: string): string {
  return basename(basename(path, '.test.js'), LONG);
}

/** Whether a compiled test file runs only where it is named, or where tests that take long are asked for. */
export function isLong(path: string): boolean {
  return basename(path, '.test.js').endsWith(LONG);
}

/** The parts of a level on each kernel, in the order in which they are best begun. */
export function partsOf(
  root: string,
  level: Level,
  { files: wanted, kernels, leftOut, long, withoutBpf }: Selection,
): Part[] {
  const files = testFiles(root, level).filter((path) => {
    if (wanted.length > 0) return wanted.includes(nameOf(path));
    return leftOut ? isLong(path) : long || !isLong(path);
  });
  return (level.inVm ? kernels : [undefined]).flatMap((kernel) => {
    const bare = withoutBpf ? ' without bpf' : '';
    const where = kernel === undefined ? level.name : `${level.name} on ${kernel}${bare}`;
    const shares = shareOut(files, level.parts ?? 1);
    return shares.map((share, index) => ({
      level,
      kernel,
      withoutBpf,
      long,
      files: share,
      label: shares.length > 1 ? `${where} ${index + 1}/${shares.length}` : where,
    }));
  });
}

/** Deals files out like cards, so that neighbours, which often take as long as each other, go to different shares. */
export function shareOut(files: readonly string[], shares: number): string[][] {
  const hands = Array.from({ length: shares }, (): string[] => []);
  for (const [index, file] of files.entries()) hands[index % shares]!.push(file);
  return hands.filter((hand) => hand.length > 0);
}

/** Runs `work` for every item, at most `atOnce` at a time, in order. */
export async function inLanes<Item>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const left = [...items];
  const lane = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: Math.max(1, atOnce) }, lane));
}
