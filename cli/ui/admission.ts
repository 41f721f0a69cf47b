import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** What of a request decides whether it is let in. */
export interface Knock {
  method: string;
  /** Path and query. */
  url: string;
  headers: IncomingHttpHeaders;
}

/**
 * Refused with why; asked for an icon, which browsers look for by themselves and is not there; let in for the first time,
 * with a cookie; or in, at a path below the secret one.
 */
export type Admission =
  | { refused: string; status: 403 | 405 }
  | { icon: false }
  | { cookie: string; location: string }
  | { path: string; query: URLSearchParams };

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST']);
/** The port is that of a tunnel's other end, which only its user knows. */
const LOCAL = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/;
const COOKIE = 'bouheki';

/**
 * Who is let in: by a token that works once, and from then on by a cookie. The cookie is for a path that is secret as
 * well, since browsers show the cookies of 127.0.0.1 to every port of it, and other users may have some of those.
 */
export class Admittance {
  readonly #cookie = secret();
  readonly #hall = secret();
  readonly #hosts: readonly string[] | undefined;
  #token: string | undefined;

  /** `port`: of 127.0.0.1 that it listens at; undefined for a socket, to which any port may lead. */
  constructor(token: string, port: number | undefined) {
    this.#token = token;
    this.#hosts = port === undefined ? undefined : [`127.0.0.1:${port}`, `localhost:${port}`];
  }

  admit(knock: Knock): Admission {
    const { headers, method, url } = knock;
    const refused = this.#refusal(knock);
    if (refused !== undefined) return { refused, status: 403 };
    if (!METHODS.has(method)) return { refused: 'Only GET and POST are known here.', status: 405 };
    const { pathname, searchParams } = new URL(url, 'http://localhost');
    const [, first = '', ...rest] = pathname.split('/');
    if (method === 'GET' && rest.length === 0 && this.#token !== undefined && same(first, this.#token)) {
      // Once: whoever finds it in a history or a log has nothing.
      this.#token = undefined;
      const cookie = `${COOKIE}=${this.#cookie}; Path=/${this.#hall}/; HttpOnly; SameSite=Strict`;
      return { cookie, location: `/${this.#hall}/` };
    }
    if (pathname === '/favicon.ico') return { icon: false };
    if (!same(first, this.#hall) || !this.#hasCookie(headers.cookie)) {
      return {
        refused:
          'Open the link that `bouheki ui` has printed. It works once; `bouheki ui --link` prints another one.',
        status: 403,
      };
    }
    return { path: rest.join('/'), query: searchParams };
  }

  /** From now on this token lets in, once, and none that was there before. Who is in stays in. */
  renew(token: string): void {
    this.#token = token;
  }

  /** What is wrong about where a request comes from and where it thinks it is. */
  #refusal({ headers, method }: Knock): string | undefined {
    const { host, origin } = headers;
    // A name that leads here by its owner's will (DNS rebinding) is in the Host.
    const known = this.#hosts === undefined ? LOCAL.test(host ?? '') : this.#hosts.includes(host ?? '');
    if (!known) return 'This is not the host that answers here.';
    const site = headers['sec-fetch-site'];
    if (site !== undefined && site !== 'same-origin' && site !== 'none') {
      return 'Requests of other sites are not answered. Type the link, or paste it.';
    }
    // Without a referrer browsers call the origin of a form null; then only they can say that it is ours.
    const own = origin === `http://${host}` || (origin === 'null' && site === 'same-origin');
    if (origin === undefined ? method === 'POST' : !own) return 'Requests of other origins are not answered.';
    return undefined;
  }

  #hasCookie(header: string | undefined): boolean {
    return (header ?? '').split('; ').some((each) => same(each, `${COOKIE}=${this.#cookie}`));
  }
}

/** 256 bits that nobody guesses. */
export function secret(): string {
  return randomBytes(32).toString('base64url');
}

/** Takes as long for each guess. */
function same(guess: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(guess), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}
