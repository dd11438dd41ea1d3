// A real OpenID provider for the tests, and the handles they need on it: `node provider.mjs PORT` (0 is any free one).
// Prints its address on stdout when it listens, everything else on stderr; ends when stdin does.
// It decides no test's outcome: what it says is what oidc-provider says, or nothing useful on demand.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';

import Provider, { errors } from 'oidc-provider';

console.log = console.info = console.warn = console.error; // stdout is for the address alone

const FORMS = {
  'https://orders.example': 'RS256',
  'https://payments.example': 'ES256',
  'https://ledger.example': 'opaque',
};
const PATHS = {
  '/.well-known/openid-configuration': 'discovery',
  '/jwks': 'jwks',
  '/token': 'token',
  '/token/introspection': 'introspection',
  '/token/revocation': 'revocation',
};
const SLOW_MS = 300;
const FAILURES = {
  500: (res) => res.writeHead(500, { 'content-type': 'text/plain' }).end('out of order'),
  503: (res) => res.writeHead(503, { 'content-type': 'text/plain', 'retry-after': '1' }).end('busy'),
  drop: (res) => res.destroy(),
  hang: () => {},
  html: (res) => res.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Sign in</title>'),
  redirect: (res) => res.writeHead(302, { location: '/elsewhere' }).end(),
  slow: (res, answer) => setTimeout(answer, SLOW_MS),
};

// -- what the provider knows ------------------------------------------------------------------------------------------

const stored = new Map();

// One store behind every generation of the provider, so that tokens outlive a rotation.
class Store {
  constructor(kind) {
    this.kind = kind;
  }

  async upsert(id, payload, ttlSeconds) {
    stored.set(`${this.kind} ${id}`, { payload, until: Date.now() + ttlSeconds * 1000 });
  }

  async find(id) {
    const entry = stored.get(`${this.kind} ${id}`);
    return entry && entry.until > Date.now() ? entry.payload : undefined;
  }

  async destroy(id) {
    stored.delete(`${this.kind} ${id}`);
  }
}

const KEY_KINDS = { RS256: ['rsa', { modulusLength: 2048 }], ES256: ['ec', { namedCurve: 'P-256' }] };
const keys = { RS256: [], ES256: [] }; // newest first: the provider signs with the first that fits
let keyNumber = 0;

function addKey(algorithm) {
  const { privateKey } = generateKeyPairSync(...KEY_KINDS[algorithm]);
  keyNumber += 1;
  const names = { kid: `${algorithm}-${keyNumber}`, alg: algorithm, use: 'sig' };
  keys[algorithm].unshift({ ...privateKey.export({ format: 'jwk' }), ...names });
}

function client(id, secret, ...grants) {
  return {
    client_id: id,
    client_secret: secret,
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: grants,
    response_types: [],
    redirect_uris: [],
  };
}

const LOOPBACK = 'http://127.0.0.1:'; // APIs the tests themselves serve, on whatever port was free

function resourceServer(ctx, resource) {
  const form = FORMS[resource] ?? (resource.startsWith(LOOPBACK) && 'RS256');
  if (!form) throw new errors.InvalidTarget();
  const common = { audience: resource, scope: ctx.oidc.params.scope ?? '' };
  if (form === 'opaque') return { ...common, accessTokenFormat: 'opaque' };
  return { ...common, accessTokenFormat: 'jwt', jwt: { sign: { alg: form } } };
}

// oidc-provider takes its keys when it is made, so new keys mean a new provider.
function newGeneration(issuer) {
  const provider = new Provider(issuer, {
    adapter: Store,
    clients: [
      client('asker', 'asker-secret', 'client_credentials'),
      client('gateway', 'gateway-secret'),
      client('odd gateway', 'salted+50%:/?&=secret'),
    ],
    extraTokenClaims: (ctx) => JSON.parse(ctx.get('x-claims') || '{}'),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo: resourceServer },
      revocation: { enabled: true },
    },
    jwks: { keys: Object.values(keys).flat() },
    ttl: { ClientCredentials: (ctx) => Number(ctx.get('x-lifetime') || 300) },
  });
  provider.on('server_error', (ctx, error) => console.error(error));
  return provider.callback();
}

// -- the handles ------------------------------------------------------------------------------------------------------

let answer; // the newest generation
let counts = {};
let failures = {};

const CONTROLS = {
  rotate({ algorithm, keep }) {
    addKey(algorithm);
    keys[algorithm].length = Math.min(keys[algorithm].length, keep + 1);
    answer = newGeneration(issuer());
  },
  fail({ path, how }) {
    if (how !== null && !Object.hasOwn(FAILURES, how)) throw new Error(`no such failure: ${how}`);
    failures[path] = how;
  },
  reset() {
    counts = {};
    failures = {};
  },
  state() {},
};

async function control(name, req, res) {
  let body = '';
  for await (const chunk of req) body += chunk;
  if (!Object.hasOwn(CONTROLS, name)) {
    res.writeHead(404).end();
    return;
  }
  CONTROLS[name](JSON.parse(body || '{}'));
  const kids = Object.values(keys).flat().map((key) => key.kid);
  res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ counts, kids }));
}

const server = createServer((req, res) => {
  const path = req.url.split('?', 1)[0];
  if (path.startsWith('/control/')) {
    control(path.slice('/control/'.length), req, res).catch((error) => res.writeHead(400).end(String(error)));
    return;
  }
  const name = PATHS[path] ?? 'other';
  if (req.headers['x-uncounted']) { // the tests' own questions neither count nor fail
    answer(req, res);
    return;
  }
  counts[name] = (counts[name] ?? 0) + 1;
  const failure = FAILURES[failures[name]];
  if (failure) failure(res, () => answer(req, res));
  else answer(req, res);
});

function issuer() {
  return `http://127.0.0.1:${server.address().port}`;
}

// A connection stays open until its client leaves: no test is to meet one that just timed out.
server.keepAliveTimeout = 0;
process.stdin.on('end', () => process.exit()).resume();
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  Object.keys(keys).forEach(addKey);
  answer = newGeneration(issuer());
  process.stdout.write(`${issuer()}\n`);
});
