import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerFacts, Runtime } from './runtime.ts';

interface StoredContainer {
  id: string;
  names?: string[];
  image?: string;
}

interface StoredImage {
  id: string;
  names?: string[];
}

/** podman and CRI-O through containers/storage, whose index of a driver is written before a container starts. */
export class ContainersStorage implements Runtime {
  readonly name: string;
  readonly #root: string;

  constructor(name: string, root = '/var/lib/containers/storage') {
    this.name = name;
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
    let image = '';
    for (const driver of this.#drivers('-images')) {
      const stored = readList<StoredImage>(join(this.#root, `${driver}-images`, 'images.json'));
      image ||= stored.find((candidate) => candidate.id === container.image)?.names?.[0] ?? '';
    }
    return { name: container.names?.[0] ?? '', image, imageId: container.image ?? '' };
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

function readList<T>(path: string): T[] {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return Array.isArray(parsed) ? (parsed as T[]) : [];
  } catch {
    return [];
  }
}
