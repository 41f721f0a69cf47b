import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { MAIN } from '../review-fixture.ts';

/** A `bouheki ui` that runs. */
export interface Ui {
  child: ChildProcess;
  link: string;
  /** What it has said so far. */
  said(): string;
}

/** Starts `bouheki ui` and waits for its link. Rejects with what it said where it ends instead. */
export async function startUi(
  t: Pick<TestContext, 'after'>,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Ui> {
  const { SUDO_GID: _, SUDO_UID: __, SUDO_USER: ___, ...rest } = process.env;
  const child = spawn(process.execPath, [MAIN, 'ui', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...rest, ...env },
  });
  t.after(() => child.kill('SIGKILL'));
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()));
  const ended = once(child, 'close').then(([status]) => {
    throw new Error(`it ended with ${String(status)}: ${said}`);
  });
  ended.catch(() => undefined);
  const [line] = (await Promise.race([once(child.stdout, 'data'), ended])) as [Buffer];
  return { child, link: line.toString().trim(), said: () => said };
}

/** The process that answers browsers. */
export function doorOf({ pid }: ChildProcess): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
  return children.find((each) => readFileSync(`/proc/${each}/cmdline`, 'utf8').includes('door-process'))!;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface Ask {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  /** In place of the port of the link. */
  socketPath?: string;
}

/** Asks as a program does that may write any header. */
export async function ask(
  url: string,
  { body, headers = {}, method = 'GET', socketPath }: Ask = {},
): Promise<Answer> {
  const { host, hostname, pathname, port, search } = new URL(url);
  const asked = request({
    path: pathname + search,
    method,
    agent: false,
    headers: { host, ...headers },
    ...(socketPath === undefined ? { host: hostname, port } : { socketPath }),
  });
  asked.end(body);
  const [response] = (await once(asked, 'response')) as [import('node:http').IncomingMessage];
  return { status: response.statusCode!, headers: response.headers, body: await text(response) };
}

/** A browser that was let in: where the page is, and the cookie. */
export interface Inside {
  page: string;
  cookie: string;
}

/** Follows the link, as a browser does. */
export async function enter(link: string, socketPath?: string): Promise<Inside> {
  const { headers, status } = await ask(link, socketPath === undefined ? {} : { socketPath });
  if (status !== 303) throw new Error(`the link answers ${status}`);
  return {
    page: new URL(headers.location!, link).href,
    cookie: headers['set-cookie']![0]!.split(';')[0]!,
  };
}

/** Posts a form, as a browser does that sends no referrer. */
export async function post(
  { cookie, page }: Inside,
  fields: Record<string, string>,
  headers: Record<string, string> = { origin: new URL(page).origin },
): Promise<Answer> {
  return await ask(`${page}review`, {
    method: 'POST',
    headers: { cookie, 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(fields).toString(),
  });
}

/** The hidden fields of the form of a page that does this. */
export function fieldsOf(page: string, what: string): Record<string, string> {
  for (const [form] of page.matchAll(/<form[^]*?<\/form>/g)) {
    const fields = Object.fromEntries(
      [...form.matchAll(/<input\s+type="hidden"\s+name="([^"]*)"\s+value="([^"]*)"/g)].map(
        ([, name, value]) => [name!, value!],
      ),
    );
    if (fields.do === what) return fields;
  }
  throw new Error(`no form does ${what}`);
}

/** Files of a directory. */
export function filesIn(directory: string): string[] {
  return readdirSync(join(directory)).toSorted();
}
