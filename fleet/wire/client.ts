import { isIP } from 'node:net';
import { checkServerIdentity, createSecureContext, type PeerCertificate } from 'node:tls';
import {
  ChannelCredentials,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { BouhekiError } from '../../error/error.ts';
import type { AgentState, HubMessage } from './message.ts';
import {
  LARGEST_ANSWER,
  methodDefinition,
  type Methods,
  REMEDY_KEY,
  type StreamMethods,
  type UnaryMethods,
  WAIT_KEY,
} from './service.ts';

/** What a client proves itself with, and whom it believes. PEM. */
export interface ClientTls {
  /** Certificates of authorities. */
  trust: string;
  /** Absent for enrolment. */
  certificate?: string;
  key?: string;
}

export interface CallOptions {
  /** Milliseconds. */
  within?: number;
  signal?: AbortSignal;
}

/** The stream of an agent. */
export interface WatchCall {
  send(state: AgentState): void;
  /** Ends when the hub ends the stream. Throws BouhekiError `fleet-away` or `fleet` when it breaks. */
  messages: AsyncIterable<HubMessage>;
  /** Says that no more is sent. */
  end(): void;
  /** Breaks it off. */
  cancel(): void;
}

/** Milliseconds for an answer, unless a call has a time of its own. */
const PATIENCE = 10_000;

/** By which a hub is greeted that is known by an address alone. Nobody has this name (RFC 2606), and no hub looks at it. */
const NAMELESS = 'hub.invalid';

const OPTIONS = {
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_channelz': 0,
  'grpc.enable_retries': 0,
  // A policy of this host knows the hub, not a proxy of the environment.
  'grpc.enable_http_proxy': 0,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.max_receive_message_length': LARGEST_ANSWER,
};

/** The connection to one hub, made when it is needed and made again when it broke. */
export class HubClient {
  readonly address: string;
  readonly #client: Client;

  /** The address is HOST:PORT; the hub's certificate must be of that host. */
  constructor(address: string, tls: ClientTls) {
    this.address = address;
    const host = hostOf(address);
    // A greeting of TLS has room for a name alone, and Node.js warns of an address there.
    const numeric = isIP(host) !== 0;
    const options: ChannelOptions = numeric
      ? { ...OPTIONS, 'grpc.ssl_target_name_override': NAMELESS }
      : OPTIONS;
    this.#client = new Client(address, credentialsOf(tls, numeric ? host : undefined), options);
  }

  /** One question, one answer. Rejects with BouhekiError `fleet-away` or `fleet`. */
  call<Name extends keyof UnaryMethods>(
    name: Name,
    request: UnaryMethods[Name][0],
    { within = PATIENCE, signal }: CallOptions = {},
  ): Promise<UnaryMethods[Name][1]> {
    const { path, requestSerialize, responseDeserialize } = methodDefinition(name);
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const cancel = () => call.cancel();
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        new Metadata(),
        { deadline: Date.now() + within },
        (error, answer) => {
          signal?.removeEventListener('abort', cancel);
          if (error) reject(this.#failure(error, signal));
          else resolve(answer as UnaryMethods[Name][1]);
        },
      );
      signal?.addEventListener('abort', cancel);
    });
  }

  /** One question, many answers, read as fast as they are taken. Throws as `call` rejects. */
  async *stream<Name extends keyof StreamMethods>(
    name: Name,
    request: StreamMethods[Name][0],
    { within = 60_000, signal }: CallOptions = {},
  ): AsyncGenerator<StreamMethods[Name][1]> {
    signal?.throwIfAborted();
    const { path, requestSerialize, responseDeserialize } = methodDefinition(name);
    const call = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      new Metadata(),
      { deadline: Date.now() + within },
    );
    const cancel = () => call.cancel();
    signal?.addEventListener('abort', cancel);
    try {
      yield* call as AsyncIterable<StreamMethods[Name][1]>;
    } catch (error) {
      throw this.#failure(error as ServiceError, signal);
    } finally {
      signal?.removeEventListener('abort', cancel);
      call.cancel();
    }
  }

  /** The stream of an agent, open until one side ends it. */
  watch(): WatchCall {
    const name: keyof Methods = 'Fleet/Watch';
    const { path, requestSerialize, responseDeserialize } = methodDefinition(name);
    const call = this.#client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
    ) as ClientDuplexStream<AgentState, HubMessage>;
    // Without a listener a failure between two reads would end the process; the reader gets it all the same.
    call.on('error', () => undefined);
    return {
      send: (state) => void (call.writable && call.write(state)),
      messages: this.#messages(call),
      end: () => call.end(),
      cancel: () => call.cancel(),
    };
  }

  async *#messages(call: ClientDuplexStream<AgentState, HubMessage>): AsyncGenerator<HubMessage> {
    try {
      yield* call as AsyncIterable<HubMessage>;
    } catch (error) {
      throw this.#failure(error as ServiceError);
    } finally {
      call.cancel();
    }
  }

  close(): void {
    this.#client.close();
  }

  #failure(error: ServiceError, signal?: AbortSignal): Error {
    if (signal?.aborted) return signal.reason as Error;
    return failureOf(error, this.address);
  }
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
}

/** With `host`, an IP address, the hub's certificate must be of that whatever name it is greeted by. */
function credentialsOf({ certificate, key, trust }: ClientTls, host: string | undefined): ChannelCredentials {
  const verifying = host !== undefined && {
    checkServerIdentity: (_name: string, shown: PeerCertificate) => checkServerIdentity(host, shown),
  };
  return ChannelCredentials.createFromSecureContext(
    createSecureContext({
      ca: trust,
      ...(certificate !== undefined && { cert: certificate }),
      ...(key !== undefined && { key }),
      // An authority that is itself signed by another one can be all that is believed.
      allowPartialTrustChain: true,
      minVersion: 'TLSv1.3',
    }),
    verifying || undefined,
  );
}

/** Of these a later call, or another hub, may have an answer. */
const AWAY: ReadonlySet<status> = new Set([status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.CANCELLED]);

function failureOf(error: ServiceError, address: string): Error {
  // What is thrown otherwise is no answer of a hub.
  if (typeof error.code !== 'number') return error;
  const { code, details } = error;
  if (code === status.RESOURCE_EXHAUSTED) {
    return new BouhekiError('fleet-away', `the hub ${address} takes no more at present`, { cause: error });
  }
  if (AWAY.has(code)) {
    return new BouhekiError('fleet-away', `the hub ${address} does not answer`, {
      detail: details,
      cause: error,
    });
  }
  const [remedy] = error.metadata.get(REMEDY_KEY);
  return new BouhekiError('fleet', `the hub ${address} refuses: ${details || status[code]}`, {
    ...(remedy !== undefined && { remedy: remedy.toString() }),
    cause: error,
  });
}

/** How long a hub that takes no more asks to wait for, milliseconds; undefined where it says nothing. */
export function waitOf(error: unknown): number | undefined {
  const { metadata } = ((error as Error).cause ?? {}) as Partial<ServiceError>;
  const [wait] = metadata?.get(WAIT_KEY) ?? [];
  const milliseconds = Number(wait);
  return Number.isFinite(milliseconds) && milliseconds > 0 ? milliseconds : undefined;
}

/** Whether a hub has said that this certificate is not, or no longer, one of the fleet. */
export function isShutOut(error: unknown): boolean {
  const { code } = ((error as Error).cause ?? {}) as Partial<ServiceError>;
  return code === status.PERMISSION_DENIED || code === status.UNAUTHENTICATED;
}

/** Does some work with the first of several hubs that answers. Throws as the last one does. */
export async function withHub<Result>(
  addresses: readonly string[],
  tls: ClientTls,
  work: (hub: HubClient) => Promise<Result>,
): Promise<Result> {
  for (const [at, address] of addresses.entries()) {
    const hub = new HubClient(address, tls);
    try {
      return await work(hub);
    } catch (error) {
      const away = error instanceof BouhekiError && error.code === 'fleet-away';
      if (!away || at === addresses.length - 1) throw error;
    } finally {
      hub.close();
    }
  }
  throw new BouhekiError('fleet', 'no address of a hub is known', {
    remedy: 'add HOST:PORT to the list "hub" in config.json of the directory of the operator or agent',
  });
}
