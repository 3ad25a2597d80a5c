// An OpenID provider for tests: oidc-provider with one client, its tokens kept in
// memory. SETTINGS is a JSON object: address, to listen on, issuer, client (the
// metadata of the client, OpenID Connect Dynamic Client Registration 1.0), claims, added
// to every access token, and lifetime, that of access tokens in seconds. Tokens for the resource urn:sluice are JWTs, those for
// urn:sluice:opaque are opaque; both are for the audience sluice.
//
// SIGUSR2 logs the client's subject out: its backchannel_logout_uri is sent a logout token.
// SIGHUP makes a new signing key. The key before it is still published, older ones are
// not.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const { address, issuer, client, claims, lifetime } = JSON.parse(process.env.SETTINGS);

let keys = [];
let handle;
let provider;

function rotate() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' };
  keys = [key, ...keys].slice(0, 2);
  provider = new Provider(issuer, {
    clients: [client],
    scopes: ['live'],
    jwks: { keys },
    cookies: { keys: [randomUUID()] },
    extraTokenClaims: () => claims ?? undefined,
    // Its own dispatcher refuses addresses on loopback, where the tests are.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    features: {
      backchannelLogout: { enabled: true },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({
          scope: 'live',
          audience: 'sluice',
          accessTokenTTL: lifetime,
          accessTokenFormat: resource.endsWith(':opaque') ? 'opaque' : 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
        useGrantedResource: () => true,
      },
    },
  });
  provider.use(async (ctx, next) => {
    await next();
    // Without a user, the subject is the client, as in JWTs.
    if (ctx.oidc?.route === 'introspection' && ctx.body?.active) ctx.body.sub ??= ctx.body.client_id;
  });
  handle = provider.callback();
}

// The subject of a client that has a token of its own is the client (RFC 9068 section 2.2).
async function logOut() {
  const found = await provider.Client.find(client.client_id);
  await found.backchannelLogout(client.client_id, randomUUID());
}

rotate();
process.on('SIGHUP', rotate);
process.on('SIGUSR2', () => logOut().catch((fault) => console.error('logout failed', fault)));
const [, host, port] = /^(.*):(\d+)$/.exec(address);
createServer((request, response) => handle(request, response)).listen(Number(port), host);
