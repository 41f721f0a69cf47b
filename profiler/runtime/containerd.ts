import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerFacts, Runtime } from './runtime.ts';

/** What the Kubernetes plugin of containerd, and nerdctl, note in the specification of a container. */
const CRI = 'io.kubernetes.cri.';
const NERDCTL = 'nerdctl/';

/**
 * containerd, through the specification that lies beside each running container. Kubernetes gives no container a name
 * of its own on the host, and any tenant may call theirs "app": with its namespace, shop/app, a name is the same
 * whenever the pod is made anew, and nobody else's.
 */
export class Containerd implements Runtime {
  readonly name = 'containerd';
  readonly #root: string;

  constructor(root = '/run/containerd/io.containerd.runtime.v2.task') {
    this.#root = root;
  }

  find(id: string): ContainerFacts | undefined {
    for (const space of this.#spaces()) {
      try {
        const text = readFileSync(join(this.#root, space, id, 'config.json'), 'utf8');
        const { annotations } = JSON.parse(text) as { annotations?: Record<string, string> };
        return annotations && factsOf(annotations);
      } catch {
        // Not in this one, or being written.
      }
    }
    return undefined;
  }

  /** containerd's own namespaces: k8s.io, default, ... */
  #spaces(): string[] {
    try {
      return readdirSync(this.#root);
    } catch {
      return [];
    }
  }
}

function factsOf(annotations: Record<string, string>): ContainerFacts | undefined {
  const pod = annotations[`${CRI}sandbox-name`];
  const namespace = annotations[`${CRI}sandbox-namespace`];
  if (pod !== undefined && namespace !== undefined) {
    // The sandbox of a pod holds its namespaces, and connects to nothing.
    const name = annotations[`${CRI}container-name`] ?? 'sandbox';
    return {
      name: `${namespace}/${name}`,
      image: annotations[`${CRI}image-name`] ?? '',
      imageId: '',
      pod,
      namespace,
    };
  }
  const name = annotations[`${NERDCTL}name`];
  return name === undefined
    ? undefined
    : { name, image: annotations[`${NERDCTL}image-name`] ?? '', imageId: '' };
}
