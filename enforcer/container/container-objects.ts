import type { Egress } from '../../bpf/egress.ts';
import type { FileObject, OpenFile } from '../../bpf/executable.ts';
import type { Answer } from './container-files.ts';
import type { OpenedFile } from './container-reader.ts';

/**
 * Which files the reader's descriptors are, for the kernel side. Asked once for each opening, because before
 * 6.1 the kernel goes through the descriptors of every process for it.
 */
export class ContainerObjects {
  readonly #egress: Egress;
  /** By container, as the last answer of each had them. */
  readonly #known = new Map<string, ReadonlyMap<string, FileObject>>();

  constructor(egress: Egress) {
    this.#egress = egress;
  }

  /** By path, the file that it means first; undefined where the reader holds one of them no more. */
  find(container: string, answer: NonNullable<Answer>): Map<string, FileObject[]> | undefined {
    const before = this.#known.get(container);
    const known = new Map<string, FileObject>();
    let open: OpenFile[] | undefined;
    const identify = (file: OpenedFile): FileObject | undefined => {
      const key = `${answer.reader} ${file.serial} ${file.changed}`;
      let found = before?.get(key);
      if (!found) {
        open ??= this.#egress.openFiles(answer.reader);
        const own = answer.reader === process.pid;
        found = open.find((each) => each.own === own && each.fd === file.fd && each.inode === file.inode);
      }
      if (found) known.set(key, found);
      return found;
    };
    const files = new Map<string, FileObject[]>();
    for (const [path, { deleted, now }] of answer.files) {
      const opened = now ? [now, ...deleted] : deleted;
      const found = opened.flatMap((file) => identify(file) ?? []);
      if (found.length < opened.length) return undefined;
      files.set(path, found);
    }
    this.#known.set(container, known);
    return files;
  }

  /** Of a container that is gone. */
  forget(container: string): void {
    this.#known.delete(container);
  }
}
