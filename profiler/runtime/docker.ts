import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerFacts, Runtime } from './runtime.ts';

interface DockerState {
  Name?: string;
  Image?: string;
  Config?: { Image?: string };
}

/** docker, through the state file that it writes when it creates a container. */
export class Docker implements Runtime {
  readonly name = 'docker';
  readonly #root: string;

  constructor(root = '/var/lib/docker/containers') {
    this.#root = root;
  }

  find(id: string): ContainerFacts | undefined {
    try {
      const state = JSON.parse(readFileSync(join(this.#root, id, 'config.v2.json'), 'utf8')) as DockerState;
      return {
        name: (state.Name ?? '').replace(/^\//, ''),
        image: state.Config?.Image ?? '',
        imageId: (state.Image ?? '').replace(/^sha256:/, ''),
      };
    } catch {
      return undefined;
    }
  }
}
