import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Admission, Admittance, type Knock, secret } from '../../../../cli/ui/admission.ts';

const HOST = '127.0.0.1:4000';

function knock(url: string, headers: Knock['headers'] = {}, method = 'GET'): Knock {
  return { method, url, headers: { host: HOST, ...headers } };
}

/** One that has let a browser in, and what that browser sends. */
function inside(port: number | 'socket' = 4000): { admittance: Admittance; hall: string; cookie: string } {
  const token = secret();
  const admittance = new Admittance(token, port === 'socket' ? undefined : port);
  const admitted = admittance.admit(knock(`/${token}`));
  assert.ok('cookie' in admitted);
  return { admittance, hall: admitted.location, cookie: admitted.cookie.split(';')[0]! };
}

function isIn(admission: Admission): boolean {
  return 'path' in admission;
}

test('a token works once, and gives a cookie that no script, no other site and no other path gets', () => {
  const token = secret();
  const admittance = new Admittance(token, 4000);
  const first = admittance.admit(knock(`/${token}`));
  assert.ok('cookie' in first);
  assert.match(first.cookie, /^bouheki=[\w-]{43}; Path=\/[\w-]{43}\/; HttpOnly; SameSite=Strict$/);
  assert.match(first.location, /^\/[\w-]{43}\/$/);
  assert.ok(!first.location.includes(token) && !first.cookie.includes(token));
  assert.ok('refused' in admittance.admit(knock(`/${token}`)));
});

test('a token is spent by nothing that is refused', () => {
  const token = secret();
  const admittance = new Admittance(token, 4000);
  const refused = [
    knock(`/${token}`, { host: 'evil.example:4000' }),
    knock(`/${token}`, { 'sec-fetch-site': 'cross-site' }),
    knock(`/${token}`, { origin: 'http://evil.example' }),
    knock(`/${token}`, {}, 'HEAD'),
    knock(`/${token}/`),
    knock(`/${token}x`),
  ];
  for (const each of refused) assert.ok('refused' in admittance.admit(each), JSON.stringify(each));
  assert.ok('cookie' in admittance.admit(knock(`/${token}`)));
});

test('the cookie and the secret path are both needed', () => {
  const { admittance, cookie, hall } = inside();
  assert.deepEqual(
    { ...admittance.admit(knock(`${hall}review?a=1`, { cookie })) },
    {
      path: 'review',
      query: new URLSearchParams('a=1'),
    },
  );
  assert.ok(isIn(admittance.admit(knock(hall, { cookie: `other=1; ${cookie}` }))));
  for (const each of [
    knock(hall),
    knock(hall, { cookie: `${cookie}x` }),
    knock(hall, { cookie: cookie.slice(0, -1) }),
    knock(hall, { cookie: 'bouheki=' }),
    knock('/', { cookie }),
    knock('/review', { cookie }),
    knock(`/${secret()}/`, { cookie }),
  ]) {
    assert.ok('refused' in admittance.admit(each), JSON.stringify(each));
  }
});

test('at a port only its own names are its Host', () => {
  const { admittance, cookie, hall } = inside();
  assert.ok(isIn(admittance.admit(knock(hall, { cookie, host: 'localhost:4000' }))));
  for (const host of [
    'localhost',
    '127.0.0.1',
    'localhost:4001',
    'evil.example',
    'evil.example:4000',
    '',
    undefined,
    '127.0.0.1:4000.evil.example',
    '0.0.0.0:4000',
  ])
    assert.ok('refused' in admittance.admit(knock(hall, { cookie, host })), host);
});

test('behind a socket any port of a local name is, and nothing else', () => {
  const { admittance, cookie, hall } = inside('socket');
  for (const host of ['localhost:8080', '127.0.0.1:9', '[::1]:8080', 'localhost'])
    assert.ok(isIn(admittance.admit(knock(hall, { cookie, host }))), host);
  for (const host of [
    'localhost.evil.example',
    'evil.example:8080',
    '127.0.0.1.evil.example',
    '[::2]:1',
    'localhost:8080:1',
  ])
    assert.ok('refused' in admittance.admit(knock(hall, { cookie, host })), host);
});

test('no other origin is let in, even of the same site, and no form without one', () => {
  const { admittance, cookie, hall } = inside();
  const own = `http://${HOST}`;
  for (const [headers, method] of [
    [{}, 'GET'],
    [{ origin: own }, 'POST'],
    [{ origin: own, 'sec-fetch-site': 'same-origin' }, 'POST'],
    // What browsers call the origin of a form where there is no referrer.
    [{ origin: 'null', 'sec-fetch-site': 'same-origin' }, 'POST'],
    [{ 'sec-fetch-site': 'none' }, 'GET'],
  ] as const)
    assert.ok(isIn(admittance.admit(knock(hall, { cookie, ...headers }, method))), JSON.stringify(headers));
  for (const [headers, method] of [
    [{}, 'POST'],
    [{ origin: 'null' }, 'POST'],
    [{ origin: 'null', 'sec-fetch-site': 'cross-site' }, 'POST'],
    [{ origin: 'http://evil.example' }, 'GET'],
    [{ origin: 'https://127.0.0.1:4000' }, 'GET'],
    [{ origin: 'http://127.0.0.1:4001' }, 'POST'],
    [{ origin: 'http://localhost:4000' }, 'POST'],
    [{ origin: own, 'sec-fetch-site': 'same-site' }, 'POST'],
    [{ 'sec-fetch-site': 'same-site' }, 'GET'],
    [{ 'sec-fetch-site': 'cross-site' }, 'GET'],
  ] as const)
    assert.ok(
      'refused' in admittance.admit(knock(hall, { cookie, ...headers }, method)),
      JSON.stringify(headers),
    );
});

test('the icon that a browser looks for by itself is no error, but for strangers', () => {
  const { admittance } = inside();
  assert.deepEqual(admittance.admit(knock('/favicon.ico')), { icon: false });
  assert.ok('refused' in admittance.admit(knock('/favicon.ico', { host: 'evil.example' })));
});

test('other methods are not known', () => {
  const { admittance, cookie, hall } = inside();
  const origin = `http://${HOST}`;
  for (const method of ['PUT', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT', 'get'])
    assert.equal(
      (admittance.admit(knock(hall, { cookie, origin }, method)) as { status: number }).status,
      405,
    );
});
