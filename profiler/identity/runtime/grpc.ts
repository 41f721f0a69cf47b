import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  Client,
  credentials,
  Metadata,
  type ServiceError,
  status,
  type MethodDefinition,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { programFile } from '../../../host/program-file.ts';
import { RuntimeFailure } from './runtime.ts';

/**
 * Calls a method, `runtime.v1.RuntimeService/ContainerStatus`, of the service at the other end, within one of
 * containerd's own namespaces where one is named. Undefined when there is no such thing (NOT_FOUND). Rejects
 * with what the service answered instead, a `RuntimeFailure` where it may answer a moment later, or with the
 * reason of the signal.
 */
export type Call = <Answer>(
  method: string,
  request: object,
  namespace?: string,
) => Promise<Answer | undefined>;

const PROTO = programFile('profiler/identity/runtime/proto');

/** What can be called, by path: `/runtime.v1.RuntimeService/ContainerStatus`. */
const METHODS: ReadonlyMap<string, MethodDefinition<object, object>> = new Map(
  Object.values(
    loadSync(
      readdirSync(PROTO).map((file) => join(PROTO, file)),
      { defaults: true },
    ),
  ).flatMap((definition) =>
    'format' in definition ? [] : Object.values(definition).map((method) => [method.path, method]),
  ),
);

const OPTIONS = { 'grpc.use_local_subchannel_pool': 1, 'grpc.enable_channelz': 0, 'grpc.enable_retries': 0 };

/** What a service answers that starts, ends, is busy or failed. */
const FAILURES: ReadonlySet<status> = new Set([
  status.UNAVAILABLE,
  status.INTERNAL,
  status.UNKNOWN,
  status.ABORTED,
  status.RESOURCE_EXHAUSTED,
]);

/** Puts a question of one call or several to the service on a unix socket, and hangs up. */
export async function questionOver<Facts>(
  socket: string,
  signal: AbortSignal,
  question: (call: Call) => Promise<Facts>,
): Promise<Facts> {
  const client = new Client(`unix:${socket}`, credentials.createInsecure(), OPTIONS);
  try {
    return await question((method, request, namespace) => callOn(client, signal, method, request, namespace));
  } finally {
    client.close();
  }
}

function callOn<Answer>(
  client: Client,
  signal: AbortSignal,
  method: string,
  request: object,
  namespace: string | undefined,
): Promise<Answer | undefined> {
  const { path, requestSerialize, responseDeserialize } = METHODS.get(`/${method}`)!;
  const metadata = new Metadata();
  if (namespace !== undefined) metadata.set('containerd-namespace', namespace);
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const call = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      (error, answer) => {
        signal.removeEventListener('abort', cancel);
        if (!error) resolve(answer as Answer);
        else if (error.code === status.NOT_FOUND) resolve(undefined);
        else if (signal.aborted) reject(signal.reason as Error);
        else reject(refusal(error));
      },
    );
    const cancel = () => call.cancel();
    signal.addEventListener('abort', cancel);
  });
}

function refusal(error: ServiceError): Error {
  const told = `the answer is gRPC ${status[error.code]}`;
  return FAILURES.has(error.code)
    ? new RuntimeFailure(told, { cause: error })
    : new Error(told, { cause: error });
}
