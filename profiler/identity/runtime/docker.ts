import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { askEngine } from './engine-api.ts';
import type { ContainerFacts, Runtime } from './runtime.ts';

/** The part that docker's state file and its API have in common. */
interface DockerContainer {
  Name?: string;
  Image?: string;
  Config?: { Image?: string; Labels?: Record<string, string> | null };
}

interface DockerImage {
  RepoDigests?: string[] | null;
}

/** docker, through the state file that it writes when it creates a container, and through the Engine API. */
export class Docker implements Runtime {
  readonly name = 'docker';
  readonly #root: string;
  readonly #socket: string;

  constructor(root = '/var/lib/docker/containers', socket = '/run/docker.sock') {
    this.#root = root;
    this.#socket = socket;
  }

  find(id: string): ContainerFacts | undefined {
    try {
      return factsOf(
        JSON.parse(readFileSync(join(this.#root, id, 'config.v2.json'), 'utf8')) as DockerContainer,
      );
    } catch {
      return undefined;
    }
  }

  async ask(id: string, signal: AbortSignal): Promise<ContainerFacts | undefined> {
    const container = (await askEngine(this.#socket, `/containers/${id}/json`, signal)) as
      | DockerContainer
      | undefined;
    if (!container) return undefined;
    const facts = factsOf(container);
    const image = (await askEngine(this.#socket, `/images/${container.Image}/json`, signal)) as
      | DockerImage
      | undefined;
    const digest = image?.RepoDigests?.[0]?.split('@')[1];
    return digest === undefined ? facts : { ...facts, digest };
  }
}

function factsOf({ Name, Image, Config }: DockerContainer): ContainerFacts {
  return {
    name: (Name ?? '').replace(/^\//, ''),
    image: Config?.Image ?? '',
    imageId: (Image ?? '').replace(/^sha256:/, ''),
    ...(Config?.Labels && { labels: Config.Labels }),
  };
}
