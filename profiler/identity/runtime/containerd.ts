import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { askContainerd } from './containerd-api.ts';
import { askCri } from './cri.ts';
import type { Call } from './grpc.ts';
import { kubernetesName } from './kubernetes.ts';
import { askOffered } from './offered.ts';
import type { ContainerFacts, Runtime } from './runtime.ts';

/** What the Kubernetes plugin of containerd, and nerdctl, note in the specification of a container. */
const CRI = 'io.kubernetes.cri.';
const NERDCTL = 'nerdctl/';

/** Where a containerd listens, and where it keeps the state of what runs. */
export interface ContainerdPlace {
  socket: string;
  state: string;
}

/** Its own, and those of k3s and RKE2, k0s and MicroK8s. */
const PLACES: readonly ContainerdPlace[] = [
  ['/run/containerd/containerd.sock', '/run/containerd'],
  ['/run/k3s/containerd/containerd.sock', '/run/k3s/containerd'],
  ['/run/k0s/containerd.sock', '/run/k0s/containerd'],
  ['/var/snap/microk8s/common/run/containerd.sock', '/var/snap/microk8s/common/run/containerd'],
].map(([socket, state]) => ({ socket: socket!, state: join(state!, 'io.containerd.runtime.v2.task') }));

/** containerd, through the specification that lies beside each running container, and through its socket. */
export class Containerd implements Runtime {
  readonly name = 'containerd';
  readonly #places: readonly ContainerdPlace[];

  constructor(places = PLACES) {
    this.#places = places;
  }

  find(id: string): ContainerFacts | undefined {
    for (const { state } of this.#places) {
      for (const space of spacesOf(state)) {
        try {
          const text = readFileSync(join(state, space, id, 'config.json'), 'utf8');
          const { annotations } = JSON.parse(text) as { annotations?: Record<string, string> };
          return annotations && factsOf(annotations);
        } catch {
          // Not in this one, or being written.
        }
      }
    }
    return undefined;
  }

  ask(id: string, signal: AbortSignal): Promise<ContainerFacts | undefined> {
    const sockets = this.#places.map(({ socket }) => socket);
    return askOffered(sockets, signal, (call) => askBoth(call, id));
  }
}

/**
 * Asks for a container of Kubernetes, and then for any. Its interface to Kubernetes may be switched off; that
 * is only a trouble when containerd itself does not know the container either.
 */
async function askBoth(call: Call, id: string): Promise<ContainerFacts | undefined> {
  let failure: unknown;
  const known = await askCri(call, id).catch((error: unknown) => void (failure = error));
  const facts = known ?? (await askContainerd(call, id));
  if (!facts && failure !== undefined) throw failure;
  return facts;
}

/** containerd's own namespaces: k8s.io, default, ... */
function spacesOf(state: string): string[] {
  try {
    return readdirSync(state);
  } catch {
    return [];
  }
}

function factsOf(annotations: Record<string, string>): ContainerFacts | undefined {
  const pod = annotations[`${CRI}sandbox-name`];
  const namespace = annotations[`${CRI}sandbox-namespace`];
  const named = kubernetesName(pod, namespace, annotations[`${CRI}container-name`]);
  if (named) return { ...named, image: annotations[`${CRI}image-name`] ?? '', imageId: '' };
  const name = annotations[`${NERDCTL}name`];
  return name === undefined
    ? undefined
    : { name, image: annotations[`${NERDCTL}image-name`] ?? '', imageId: '' };
}
