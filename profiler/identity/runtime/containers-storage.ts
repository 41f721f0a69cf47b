import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerFacts } from './runtime.ts';

interface StoredContainer {
  id: string;
  names?: string[];
  image?: string;
  /** JSON of podman's own. */
  metadata?: string;
}

interface StoredImage {
  id: string;
  names?: string[];
  digest?: string;
}

/** The storage that podman and CRI-O share. The index of each driver is written before a container starts. */
export class ContainersStorage {
  readonly #root: string;

  constructor(root = '/var/lib/containers/storage') {
    this.#root = root;
  }

  find(id: string): ContainerFacts | undefined {
    for (const driver of this.#drivers('-containers')) {
      // A volatile container (`podman run --rm` may make one) stands in an index of its own.
      for (const file of ['containers.json', 'volatile-containers.json']) {
        const found = readList<StoredContainer>(join(this.#root, `${driver}-containers`, file)).find(
          (container) => container.id === id,
        );
        if (found) return this.#facts(found);
      }
    }
    return undefined;
  }

  #facts(container: StoredContainer): ContainerFacts {
    const image = askedFor(container.metadata);
    const facts = { name: container.names?.[0] ?? '', image, imageId: container.image ?? '' };
    for (const driver of this.#drivers('-images')) {
      const stored = readList<StoredImage>(join(this.#root, `${driver}-images`, 'images.json'));
      const found = stored.find(({ id }) => id === container.image);
      if (!found) continue;
      return {
        ...facts,
        image: image || (found.names?.[0] ?? ''),
        ...(found.digest && { digest: found.digest }),
      };
    }
    return facts;
  }

  #drivers(suffix: string): string[] {
    try {
      return readdirSync(this.#root)
        .filter((entry) => entry.endsWith(suffix))
        .map((entry) => entry.slice(0, -suffix.length))
        .sort();
    } catch {
      return [];
    }
  }
}

/** The image by the name that the container was made with: an image may have several. */
function askedFor(metadata: string | undefined): string {
  try {
    const { 'image-name': name } = JSON.parse(metadata ?? '') as { 'image-name'?: unknown };
    return typeof name === 'string' ? name : '';
  } catch {
    return '';
  }
}

function readList<T>(path: string): T[] {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return Array.isArray(parsed) ? (parsed as T[]) : [];
  } catch {
    return [];
  }
}
