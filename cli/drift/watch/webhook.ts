import * as http from 'node:http';
import * as https from 'node:https';
import { BouhekiError } from '../../../error/error.ts';
import { formatDuration } from '../../../format/duration.ts';
import { readTrustedText } from '../../option/trusted-text.ts';
import { type Delivery, type Patience, Undelivered } from './delivery.ts';

/** Where notices are posted to, and with which headers. */
export interface Webhook {
  url: URL;
  headers: Record<string, string>;
}

const REMEDY =
  'Write https://hooks.example.com/path, or @FILE: the URL, then a header a line, as NAME: VALUE.';

/** An HTTP status that another try may change. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429]);

/**
 * The webhook that an option names: a URL, or `@FILE` with the URL in its first line and a header in each further one,
 * so that no secret is in the arguments, which every user can read. Throws BouhekiError `usage`, and `untrusted` for a
 * file that others can write.
 */
export function readWebhook(text: string): Webhook {
  const isFile = text.startsWith('@');
  const [first = '', ...rest] = isFile ? linesOf(text.slice(1)) : [text];
  const url = urlOf(first, isFile ? text.slice(1) : 'the webhook');
  if (!isFile && (url.username !== '' || url.password !== '')) {
    throw new BouhekiError('usage', 'a webhook with a password can be read by every user of this host', {
      remedy: 'Put it into a file that you alone can read, and give that: --webhook @FILE.',
    });
  }
  return { url, headers: Object.fromEntries(rest.map((line, index) => headerOf(line, index))) };
}

function linesOf(path: string): string[] {
  try {
    return readTrustedText(path)
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  } catch (error) {
    if (error instanceof BouhekiError) throw error;
    const detail = (error as Error).message;
    throw new BouhekiError('usage', `cannot read the webhook ${path}`, {
      remedy: REMEDY,
      detail,
      cause: error,
    });
  }
}

function urlOf(text: string, where: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return url;
  // Not the text itself, which may be a secret.
  throw new BouhekiError('usage', `${where} has no URL of http or https`, { remedy: REMEDY });
}

function headerOf(line: string, index: number): [string, string] {
  const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*([\t\x20-\x7e]*)$/.exec(line) ?? [];
  if (name !== undefined) return [name, value!];
  throw new BouhekiError('usage', `header ${index + 1} of the webhook is none`, { remedy: REMEDY });
}

/** Posts each notice to a webhook. */
export function webhookDelivery({ headers, url }: Webhook, agent: string): Delivery {
  return {
    // A path may be a secret.
    name: `The webhook ${url.origin}`,
    deliver: async (notice, patience) =>
      await post(url, { ...headers, 'User-Agent': agent }, notice, patience),
  };
}

async function post(
  url: URL,
  headers: Record<string, string>,
  notice: string,
  { seconds, signal }: Patience,
): Promise<void> {
  const late = AbortSignal.timeout(seconds * 1000);
  const { request } = url.protocol === 'https:' ? https : http;
  const length = Buffer.byteLength(notice);
  const status = await new Promise<number>((resolve, reject) => {
    const asked = request(url, {
      method: 'POST',
      headers: { ...headers, 'Content-Type': 'application/json', 'Content-Length': length },
      // No connection is kept: the policy may be another one by the next round.
      agent: false,
      signal: AbortSignal.any([signal, late]),
    });
    asked.on('response', (response) => {
      // What it says is of no use here, and might have no end.
      response.destroy();
      resolve(response.statusCode!);
    });
    asked.on('error', (error: NodeJS.ErrnoException) => {
      reject(late.aborted ? noAnswer(seconds) : new Undelivered(failureText(error), false));
    });
    asked.end(notice);
  });
  if (status >= 200 && status < 300) return;
  throw new Undelivered(`it answered ${status}`, status < 500 && !PASSING.has(status));
}

function noAnswer(seconds: number): Undelivered {
  return new Undelivered(`no answer came within ${formatDuration(seconds)}`, false);
}

/** What the kernel answers where a policy that blocks has no rule for it. */
function failureText({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'EPERM' || code === 'EACCES')
    return `${message}. The policy in force denies this connection: give it a rule`;
  return message === '' ? String(code) : message;
}
