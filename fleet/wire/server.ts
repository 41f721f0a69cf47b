import type { SecureContextOptions } from 'node:tls';
import {
  Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { BouhekiError } from '../../error/error.ts';
import { Door, type DoorLimits } from './door.ts';
import type { AgentState, HubMessage } from './message.ts';
import {
  LARGEST_ANSWER,
  LARGEST_STATE,
  type Methods,
  REMEDY_KEY,
  serviceDefinition,
  type ServiceName,
  type StreamMethods,
  type UnaryMethods,
  WAIT_KEY,
} from './service.ts';

/** Who calls: the certificate was verified by TLS. */
export interface Peer {
  /** DER; undefined where none was asked for. */
  certificate: Buffer | undefined;
  /** As far as the socket knows it. */
  address: string;
}

/** The stream to an agent, as a hub has it. */
export interface AgentStream {
  peer: Peer;
  onState(take: (state: AgentState) => void): void;
  /** Once, however it ends. */
  onEnd(take: () => void): void;
  send(message: HubMessage): void;
  /** Bytes that wait for the agent to read. */
  readonly waiting: number;
  /** Ends it, with a reason where there is one. */
  end(reason?: Error): void;
}

type Bare<Service extends ServiceName, Name> = Name extends `${Service}/${infer Method}` ? Method : never;

type Handler<Name extends keyof Methods> = Name extends keyof UnaryMethods
  ? (request: UnaryMethods[Name][0], peer: Peer) => Promise<UnaryMethods[Name][1]>
  : Name extends keyof StreamMethods
    ? (request: StreamMethods[Name][0], peer: Peer) => AsyncIterable<StreamMethods[Name][1]>
    : (stream: AgentStream) => void;

type Handlers<Service extends ServiceName> = {
  [Name in keyof Methods as Bare<Service, Name>]: Handler<Name>;
};

/** What answers the methods of each service. */
export interface ServiceHandlers {
  Enrollment: Handlers<'Enrollment'>;
  Fleet: Handlers<'Fleet'>;
  Admin: Handlers<'Admin'>;
}

/** A hub that takes no more at present. */
export class Busy extends Error {
  /** Milliseconds. */
  readonly wait: number;

  constructor(wait: number) {
    super('too much is waiting to be stored');
    this.wait = wait;
  }
}

/** The caller is not, or no longer, one who may ask for this. */
export class ShutOut extends Error {}

/** What a server shows and asks for. PEM. */
export interface ServerTls {
  /** With the certificates between it and the authority. */
  certificate: string;
  key: string;
  /** Authorities of clients; undefined: no certificate of a client is asked for. */
  clientTrust: string | undefined;
}

/** For how long TLS may take, milliseconds: where anybody may come, and where thousands of agents may come at once. */
const HANDSHAKE = { anybody: 10_000, known: 60_000 };

/**
 * Credentials that can be replaced while the server runs: new connections get the new ones, open streams go on. This is
 * what grpc-js does for its watcher of files, which takes no authority that is itself signed by another one.
 */
export class ReplaceableCredentials extends ServerCredentials {
  constructor(tls: ServerTls) {
    const asks = tls.clientTrust !== undefined;
    super(
      {
        requestCert: asks,
        rejectUnauthorized: asks,
        handshakeTimeout: HANDSHAKE[asks ? 'known' : 'anybody'],
      },
      contextOf(tls),
    );
  }

  /** Throws where key and certificate do not belong together. */
  replace(tls: ServerTls): void {
    this.updateSecureContextOptions(contextOf(tls));
  }

  _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function contextOf({ certificate, clientTrust, key }: ServerTls): SecureContextOptions {
  return {
    cert: certificate,
    key,
    ...(clientTrust !== undefined && { ca: clientTrust }),
    allowPartialTrustChain: true,
    minVersion: 'TLSv1.3',
  };
}

/** What a peer may take of a server's memory: grpc-js has no limits of its own but that of a message. */
export interface ServerLimits {
  /** Bytes. */
  largestRequest: number;
  /** Calls of one connection at a time. */
  streams: number;
  connections: DoorLimits;
  /** After which a connection without a call is ended, milliseconds; 0: never. */
  idle: number;
}

export interface WireServerOptions {
  limits: ServerLimits;
  /** Milliseconds after which a connection is ended, to spread agents over new hubs; 0: never. */
  connectionAge: number;
  /** Told of what is a fault of the hub's. */
  onFault: (error: unknown) => void;
}

/** Serves services of fleet.proto at one port. */
export class WireServer {
  readonly #server: Server;
  readonly #onFault: (error: unknown) => void;
  readonly #connections: DoorLimits;
  #door: Door | undefined;

  constructor({ connectionAge, limits, onFault }: WireServerOptions) {
    this.#onFault = onFault;
    this.#connections = limits.connections;
    this.#server = new Server({
      'grpc.max_receive_message_length': limits.largestRequest,
      'grpc.max_concurrent_streams': limits.streams,
      'grpc.max_send_message_length': LARGEST_ANSWER,
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 10_000,
      'grpc.enable_channelz': 0,
      ...(limits.idle > 0 && { 'grpc.max_connection_idle_ms': limits.idle }),
      // grpc-js spreads it by 10 % itself.
      ...(connectionAge > 0 && {
        'grpc.max_connection_age_ms': connectionAge,
        'grpc.max_connection_age_grace_ms': 10_000,
      }),
    });
  }

  serve<Service extends ServiceName>(name: Service, handlers: ServiceHandlers[Service]): void {
    const definition = { ...serviceDefinition(name) };
    const implementation: UntypedServiceImplementation = {};
    for (const [method, each] of Object.entries(definition)) {
      const { requestStream, responseStream } = each;
      const handler = (handlers as unknown as Record<string, never>)[method]!;
      if (requestStream) definition[method] = withSmallRequests(each);
      implementation[method] = requestStream
        ? this.#duplex(handler)
        : responseStream
          ? this.#streaming(handler)
          : this.#unary(handler);
    }
    this.#server.addService(definition, implementation);
  }

  /** Listens at HOST:PORT (port 0: any that is free), once, and returns the port. */
  async listen(address: string, credentials: ServerCredentials): Promise<number> {
    const injector = this.#server.createConnectionInjector(credentials);
    this.#door = new Door(this.#connections, (socket) => injector.injectConnection(socket));
    return await this.#door.listen(address);
  }

  /** Takes no more, lets calls end for some milliseconds, and ends what is left. */
  async stop(grace: number): Promise<void> {
    this.#door?.close();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.#server.forceShutdown();
        // grpc-js has forgotten the sessions by then.
        this.#door?.clear();
      }, grace);
      this.#server.tryShutdown(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    this.#door?.clear();
  }

  #unary(handler: (request: object, peer: Peer) => Promise<object>) {
    return (call: ServerUnaryCall<object, object>, done: sendUnaryData<object>): void => {
      handler(call.request, peerOf(call)).then(
        (answer) => done(null, answer),
        (error: unknown) => done(this.#failure(error)),
      );
    };
  }

  #streaming(handler: (request: object, peer: Peer) => AsyncIterable<object>) {
    return (call: ServerWritableStream<object, object>): void => {
      void this.#answerAll(call, handler);
    };
  }

  async #answerAll(
    call: ServerWritableStream<object, object>,
    handler: (request: object, peer: Peer) => AsyncIterable<object>,
  ): Promise<void> {
    try {
      for await (const answer of handler(call.request, peerOf(call))) {
        if (call.cancelled) return;
        if (!call.write(answer)) await drained(call);
      }
      call.end();
    } catch (error) {
      call.emit('error', this.#failure(error));
    }
  }

  #duplex(handler: (stream: AgentStream) => void) {
    return (call: ServerDuplexStream<AgentState, HubMessage>): void => {
      try {
        handler(agentStream(call, (error) => this.#failure(error)));
      } catch (error) {
        call.emit('error', this.#failure(error));
      }
    };
  }

  #failure(error: unknown): { code: status; details: string; metadata: Metadata } {
    const metadata = new Metadata();
    if (error instanceof Busy) {
      metadata.set(WAIT_KEY, String(Math.ceil(error.wait)));
      return { code: status.RESOURCE_EXHAUSTED, details: error.message, metadata };
    }
    if (error instanceof ShutOut) return { code: status.PERMISSION_DENIED, details: error.message, metadata };
    if (error instanceof BouhekiError) {
      if (error.remedy !== undefined) metadata.set(REMEDY_KEY, Buffer.from(error.remedy));
      const code = error.code === 'fleet-away' ? status.UNAVAILABLE : status.FAILED_PRECONDITION;
      return { code, details: error.message, metadata };
    }
    this.#onFault(error);
    return { code: status.INTERNAL, details: 'the hub failed; its log has the reason', metadata };
  }
}

/** A message of a stream is smaller than that of a call, for which alone grpc-js has a limit. */
function withSmallRequests(method: MethodDefinition<object, object>): MethodDefinition<object, object> {
  const requestDeserialize = (bytes: Buffer): object => {
    if (bytes.length > LARGEST_STATE) throw new Error(`more than ${LARGEST_STATE} bytes`);
    return method.requestDeserialize(bytes);
  };
  return { ...method, requestDeserialize };
}

/** A reader that has gone drains nothing. */
async function drained(call: ServerWritableStream<object, object>): Promise<void> {
  await new Promise<void>((resolve) => {
    const on = (): void => {
      call.off('drain', on).off('cancelled', on).off('close', on);
      resolve();
    };
    call.on('drain', on).on('cancelled', on).on('close', on);
  });
}

function agentStream(
  call: ServerDuplexStream<AgentState, HubMessage>,
  failure: (error: unknown) => object,
): AgentStream {
  let ended = false;
  let takeEnd: (() => void) | undefined;
  const end = (): void => {
    if (ended) return;
    ended = true;
    takeEnd?.();
  };
  const endFor = (reason: unknown): void => {
    if (ended) return;
    call.emit('error', failure(reason));
    end();
  };
  call.on('error', end).on('cancelled', end).on('close', end);
  call.on('end', () => {
    if (!ended) call.end();
    end();
  });
  return {
    peer: peerOf(call),
    onState: (take) =>
      void call.on('data', (state: AgentState) => {
        // What fails because of one stream must end no other.
        try {
          if (!ended) take(state);
        } catch (error) {
          endFor(error);
        }
      }),
    onEnd: (take) => (takeEnd = take),
    send: (message) => void (!ended && call.write(message)),
    get waiting() {
      return call.writableLength;
    },
    end: (reason) => {
      if (reason !== undefined) return endFor(reason);
      if (!ended) call.end();
      end();
    },
  };
}

function peerOf(call: {
  getPeer(): string;
  getAuthContext(): { sslPeerCertificate?: { raw: Buffer } };
}): Peer {
  return { certificate: call.getAuthContext().sslPeerCertificate?.raw, address: call.getPeer() };
}
