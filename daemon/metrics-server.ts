import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BouhekiError } from '../error/error.ts';
import type { LiveStatus } from '../profiler/serve/live-status.ts';
import { METRICS_TYPE, metricsText } from '../profiler/serve/metrics.ts';

/** Where metrics are offered: an address of the loopback interface, and a port (0: any that is free). */
export interface Endpoint {
  address: string;
  port: number;
}

/**
 * Reads `127.0.0.1:9464` or `[::1]:9464`. Undefined for anything else: the connections of this host concern
 * no other host.
 */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(127(?:\.\d{1,3}){3}|\[::1\]):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const address = match[1]!.replace(/[[\]]/g, '');
  const port = Number(match[2]);
  return port <= 65_535 && address.split('.').every((octet) => !(Number(octet) > 255))
    ? { address, port }
    : undefined;
}

/** Answers GET /metrics with what a process reports of itself, for Prometheus. */
export class MetricsServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Throws BouhekiError `usage` when the port is taken. */
  static async listen(endpoint: Endpoint, status: () => LiveStatus): Promise<MetricsServer> {
    return await MetricsServer.offer(endpoint, () => metricsText(status()));
  }

  /** The same with another text in the format of Prometheus. */
  static async offer({ address, port }: Endpoint, text: () => string): Promise<MetricsServer> {
    const server = createServer((request, response) => {
      if (request.url !== '/metrics' || request.method !== 'GET') {
        response.writeHead(404, { 'content-type': 'text/plain' }).end('The metrics are at /metrics.\n');
        return;
      }
      response.writeHead(200, { 'content-type': METRICS_TYPE }).end(text());
    });
    server.maxConnections = 16;
    server.requestTimeout = 5000;
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, address, resolve);
      });
    } catch (error) {
      throw new BouhekiError('usage', `cannot offer metrics at ${address}:${port}`, {
        remedy: 'Name another port with --metrics.',
        detail: (error as Error).message,
        cause: error,
      });
    }
    server.unref();
    return new MetricsServer(server);
  }

  /** The port that is listened at. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
