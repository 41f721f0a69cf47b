import { askEngine } from './engine-api.ts';
import { ContainersStorage } from './containers-storage.ts';
import type { ContainerFacts, Runtime } from './runtime.ts';

/** What the API reports of a container; `Pod` is the id of its pod. */
interface PodmanContainer {
  Name?: string;
  Image?: string;
  ImageName?: string;
  ImageDigest?: string;
  Pod?: string;
  Config?: { Labels?: Record<string, string> | null };
}

/** podman, through its storage and, where its API is offered (podman.socket), through that. */
export class Podman implements Runtime {
  readonly name = 'podman';
  readonly #storage: ContainersStorage;
  readonly #socket: string;

  constructor(root?: string, socket = '/run/podman/podman.sock') {
    this.#storage = new ContainersStorage(root);
    this.#socket = socket;
  }

  find(id: string): ContainerFacts | undefined {
    return this.#storage.find(id);
  }

  async ask(id: string, signal: AbortSignal): Promise<ContainerFacts | undefined> {
    const ask = (path: string) => askEngine(this.#socket, `/v4.0.0/libpod/${path}/json`, signal);
    const container = (await ask(`containers/${id}`)) as PodmanContainer | undefined;
    if (!container) return undefined;
    const { Name, Image, ImageName, ImageDigest, Pod, Config } = container;
    const pod = Pod ? ((await ask(`pods/${Pod}`)) as { Name?: string } | undefined)?.Name : undefined;
    return {
      name: Name ?? '',
      image: ImageName ?? '',
      imageId: Image ?? '',
      ...(ImageDigest && { digest: ImageDigest }),
      ...(Config?.Labels && { labels: Config.Labels }),
      ...(pod !== undefined && { pod }),
    };
  }
}
