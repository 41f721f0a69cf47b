import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

export const USER = ['setpriv', '--reuid', '1000', '--regid', '1000', '--clear-groups'] as const;

/** Makes files until one has a number of those given, and puts the program there. */
const MAKE = `
import os, sys
directory, program, wanted = sys.argv[1], sys.argv[2], [int(each) for each in sys.argv[3:]]
for count in range(5000):
    path = os.path.join(directory, "evil%d" % count)
    file = os.open(path, os.O_CREAT | os.O_WRONLY, 0o755)
    inode = os.fstat(file).st_ino
    if inode in wanted:
        os.write(file, open(program, "rb").read())
        os.close(file)
        print(inode, path)
        sys.exit(0)
    os.close(file)
    os.unlink(path)
sys.exit("no file got one of these numbers")
`;

/** Two programs with one number: the one that a rule names, and the one that uid 1000 has made. */
export interface Pair {
  honest: string;
  evil: string;
}

/** What a command prints. Throws when it fails. */
export function run(...words: string[]): string {
  return execFileSync(words[0]!, words.slice(1), { encoding: 'utf8' }).trim();
}

/** As uid 1000, in a directory of its own, a file with the number of one of the programs. */
export function collide(programs: readonly string[], directory: string): Pair {
  const numbers = programs.map((path) => String(statSync(path).ino));
  const [inode, evil] = run(...USER, 'python3', '-c', MAKE, directory, programs[0]!, ...numbers).split(' ');
  return { honest: programs[numbers.indexOf(inode!)]!, evil: evil! };
}

/** An overlay of two file systems; `upper` is a directory of the second one. */
export function mountOverlay(lower: string, upper: string, merged: string): void {
  for (const name of ['data', 'work']) mkdirSync(join(upper, name));
  const options = `lowerdir=${lower},upperdir=${upper}/data,workdir=${upper}/work`;
  run('mount', '-t', 'overlay', '-o', options, 'overlay', merged);
}
