/**
 * The process that answers browsers: see Door, which starts it. It has nothing of the record or the policy, and no rights
 * beyond those of its servant: what a browser may see or do it asks of the process behind it.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { describeFailure } from '../../profiler/serve/protocol.ts';
import { Admittance, secret } from './admission.ts';
import { Audience } from './audience.ts';
import type { FromDoor, Reply, ToDoor, Wish } from './door-message.ts';
import { listenAndServe } from './listen.ts';

/** Bytes of a form. */
const MOST_FORM = 1 << 14;
/** How long browsers have at the end to take what waits, milliseconds. */
const LAST_MOMENT = 1500;

const HEADERS = {
  'Cache-Control': 'no-store',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
} as const;
const NOTHING = "default-src 'none'; frame-ancestors 'none'";

const audience = new Audience();
const waiting = new Map<number, (reply: Reply) => void>();
let wishes = 0;
let admittance: Admittance;

const server = createServer({ maxHeaderSize: 1 << 14 });
server.maxConnections = 64;
server.on('request', (request: IncomingMessage, response: ServerResponse) => {
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
  response.setHeader('Content-Security-Policy', NOTHING);
  answer(request, response).catch((error: unknown) => {
    if (response.headersSent) response.destroy();
    else sendText(response, 500, `It failed: ${(error as Error).message}`);
  });
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { headers, method = '', url = '' } = request;
  const admitted = admittance.admit({ method, url, headers });
  if ('refused' in admitted) return sendText(response, admitted.status, admitted.refused);
  if ('icon' in admitted) return void response.writeHead(204).end();
  if ('cookie' in admitted) {
    response.setHeader('Set-Cookie', admitted.cookie);
    return goOn(response, admitted.location);
  }
  const { path, query } = admitted;
  if (method === 'POST') {
    if (path !== 'review') return sendText(response, 404, 'There is nothing to change here.');
    const form = await formOf(request);
    if (form === undefined) return sendText(response, 413, 'That is no form of this page.');
    return send(response, await ask({ act: Object.fromEntries(form) }));
  }
  switch (path) {
    case '':
      return send(response, await ask({ page: true }));
    case 'review':
      return send(response, await ask({ review: Object.fromEntries(query) }));
    case 'events':
      return stream(request, response);
    default:
      return sendText(response, 404, 'There is no such page.');
  }
}

async function ask(wish: Wish): Promise<Reply> {
  wishes += 1;
  const number = wishes;
  return await new Promise((resolve) => {
    waiting.set(number, resolve);
    tell({ wish, number });
  });
}

async function formOf(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  if (request.headers['content-type'] !== 'application/x-www-form-urlencoded') return undefined;
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > MOST_FORM) return undefined;
    parts.push(part);
  }
  return new URLSearchParams(Buffer.concat(parts).toString());
}

function send(response: ServerResponse, reply: Reply): void {
  if ('location' in reply) return goOn(response, reply.location);
  const { contentPolicy, page, status } = reply;
  response.writeHead(status, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': contentPolicy,
  });
  response.end(page);
}

function goOn(response: ServerResponse, location: string): void {
  response.writeHead(303, { Location: location }).end();
}

function sendText(response: ServerResponse, status: number, text: string): void {
  // What else comes of a request that is refused is not read.
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', Connection: 'close' });
  response.end(`${text}\n`);
}

function stream(request: IncomingMessage, response: ServerResponse): void {
  if (audience.full) return sendText(response, 503, 'Too many pages are open.');
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  if (request.method === 'HEAD') return void response.end();
  // Lines are short, and wanted at once.
  request.socket.setNoDelay(true);
  audience.add(response);
}

function tell(message: FromDoor): void {
  // The process behind may be gone, which ends this one.
  process.send?.(message, undefined, undefined, () => {});
}

async function open({ place, servant }: Extract<ToDoor, { open: unknown }>['open']): Promise<void> {
  try {
    const { inode, port } = await listenAndServe(server, place, servant);
    const token = secret();
    admittance = new Admittance(token, port);
    const where = { ...(port !== undefined && { port }), ...(inode !== undefined && { inode }) };
    tell({ opened: { token, uid: process.geteuid!(), ...where } });
  } catch (error) {
    tell({ failure: describeFailure(error) });
    end();
  }
}

function renew(): void {
  const token = secret();
  admittance.renew(token);
  tell({ renewed: token });
}

/** A socket that is listened at is removed by that, where it can be. */
function end(): void {
  audience.end();
  server.close(() => process.disconnect?.());
  setTimeout(() => {
    server.closeAllConnections();
    if (process.connected) process.disconnect();
  }, LAST_MOMENT).unref();
}

process.on('message', (message: ToDoor) => {
  if ('open' in message) void open(message.open);
  else if ('event' in message) audience.show(message.event);
  else if ('end' in message) end();
  else if ('renew' in message) renew();
  else {
    waiting.get(message.number)?.(message.reply);
    waiting.delete(message.number);
  }
});
process.on('disconnect', () => {
  server.close(() => process.exit());
  server.closeAllConnections();
});
// A terminal sends them to both; the process behind has this one end in order.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
