/** What a container runtime knows of a container. Empty text is not known. */
export interface ContainerFacts {
  name: string;
  /** As it was asked for: docker.io/library/nginx:1. */
  image: string;
  imageId: string;
  /** Of the image's manifest: sha256:... */
  digest?: string;
  labels?: Readonly<Record<string, string>>;
  pod?: string;
  /** Of Kubernetes. */
  namespace?: string;
}

/** One container runtime. */
export interface Runtime {
  readonly name: string;
  /**
   * What its files have, at once: it neither waits nor throws. Undefined while the runtime has not written
   * the container's state, and after it has removed it.
   */
  find?(id: string): ContainerFacts | undefined;
  /**
   * What the runtime itself reports, which may be more. Undefined for a container that it does not know.
   * Rejects with the error of the socket, with a `RuntimeFailure`, or with the reason of `signal`.
   */
  ask?(id: string, signal: AbortSignal): Promise<ContainerFacts | undefined>;
}

/**
 * The runtime answered that it failed. It may answer a moment later: podman and docker fail so (HTTP 500) for a
 * container that is just being removed, and any runtime may while it starts.
 */
export class RuntimeFailure extends Error {
  override name = 'RuntimeFailure';
}
