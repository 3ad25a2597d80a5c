// An OpenID provider for tests: oidc-provider with one client, its tokens kept in
// memory. SETTINGS is a JSON object: address, to listen on, issuer, client (the
// metadata of the client, OpenID Connect Dynamic Client Registration 1.0) and claims,
// added to every access token. Tokens for the resource urn:sluice are JWTs, those for
// urn:sluice:opaque are opaque; both are for the audience sluice.
//
// SIGHUP makes a new signing key. The key before it is still published, older ones are
// not.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const { address, issuer, client, claims } = JSON.parse(process.env.SETTINGS);

let keys = [];
let handle;

function rotate() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' };
  keys = [key, ...keys].slice(0, 2);
  handle = new Provider(issuer, {
    clients: [client],
    scopes: ['live'],
    jwks: { keys },
    cookies: { keys: [randomUUID()] },
    extraTokenClaims: () => claims,
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
          accessTokenTTL: 3600,
          accessTokenFormat: resource.endsWith(':opaque') ? 'opaque' : 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
        useGrantedResource: () => true,
      },
    },
  }).callback();
}

rotate();
process.on('SIGHUP', rotate);
const [, host, port] = /^(.*):(\d+)$/.exec(address);
createServer((request, response) => handle(request, response)).listen(Number(port), host);
