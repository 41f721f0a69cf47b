import { fileURLToPath } from 'node:url';

/**
 * The absolute path of a file of the installed program, which is named by its path below dist/: `bpf/egress.bpf.o`. A
 * module and a bundle of modules find the same one, because each is in a folder of dist/.
 */
export function programFile(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}
