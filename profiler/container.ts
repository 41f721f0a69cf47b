import type { ContainerFacts, Runtime } from './runtime/runtime.ts';
import { Docker } from './runtime/docker.ts';
import { ContainersStorage } from './runtime/podman.ts';

export const RUNTIMES: readonly Runtime[] = [
  new ContainersStorage('podman'),
  new ContainersStorage('cri-o'),
  new Docker(),
];

/** A container as far as it is known: its name falls back to the first 12 characters of its id. */
export interface Container extends ContainerFacts {
  runtime: string;
  id: string;
  /** Whether a runtime has told the name. */
  known: boolean;
}

/** Names containers by id, each runtime asked until it answers; answers are kept, also after the container has gone. */
export class ContainerNames {
  readonly #runtimes: readonly Runtime[];
  readonly #known = new Map<string, Container>();

  constructor(runtimes: readonly Runtime[] = RUNTIMES) {
    this.#runtimes = runtimes;
  }

  /** Looks again while the runtime has not answered. */
  find(runtime: string, id: string): Container {
    const known = this.#known.get(id);
    if (known?.known) return known;
    const facts = this.#runtimes.find((candidate) => candidate.name === runtime)?.find(id);
    const container: Container = {
      runtime,
      id,
      name: facts?.name || id.slice(0, 12),
      image: facts?.image ?? '',
      imageId: facts?.imageId ?? '',
      known: facts !== undefined,
    };
    this.#known.set(id, container);
    return container;
  }
}
