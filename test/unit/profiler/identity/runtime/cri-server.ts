import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
  type sendUnaryData,
  type ServerUnaryCall,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const PROTO = join(import.meta.dirname, '../../../../../profiler/identity/runtime/proto');
const FILES = ['cri.proto', 'containers.proto', 'images.proto', 'namespaces.proto'];

/** What a service answers to a request, in one of containerd's namespaces where the caller named one. */
export type Answer = (request: Record<string, unknown>, namespace: string | undefined) => object | undefined;

/** Answers by method, `ContainerStatus`, by service, `runtime.v1.RuntimeService`. */
export type Services = Record<string, Record<string, Answer>>;

/** A folder of the test's own, which goes with it. */
export function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'bouheki-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/**
 * A gRPC server on a unix socket that offers the named services. It answers NOT_FOUND where there is no answer, and
 * UNIMPLEMENTED to whatever else is called, as gRPC wants it.
 */
export async function criServer(t: TestContext, services: Services): Promise<string> {
  const socket = join(folderOf(t), 'api.sock');
  const definitions = loadSync(
    FILES.map((file) => join(PROTO, file)),
    { defaults: true },
  );
  const server = new Server();
  for (const [name, answers] of Object.entries(services)) {
    const methods = Object.entries(answers).map(([method, answer]) => [method, handlerOf(answer)]);
    server.addService(definitions[name] as ServiceDefinition, Object.fromEntries(methods));
  }
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  t.after(() => server.forceShutdown());
  return socket;
}

function handlerOf(answer: Answer) {
  return (
    { request, metadata }: ServerUnaryCall<Record<string, unknown>, object>,
    send: sendUnaryData<object>,
  ): void => {
    const found = answer(request, namespaceOf(metadata));
    if (found) send(null, found);
    else send({ code: status.NOT_FOUND, details: 'no such thing' } as Partial<ServiceError>);
  };
}

function namespaceOf(metadata: Metadata): string | undefined {
  return metadata.get('containerd-namespace')[0]?.toString();
}
