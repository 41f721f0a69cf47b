/** What a container runtime knows of a container. Empty text is not known. */
export interface ContainerFacts {
  name: string;
  image: string;
  imageId: string;
}

/** One container runtime. `find` never throws and never waits: it reads state on disk. */
export interface Runtime {
  readonly name: string;
  /** Undefined while the runtime has not written the container's state yet. */
  find(id: string): ContainerFacts | undefined;
}
