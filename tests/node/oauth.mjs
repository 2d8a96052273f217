// A client of another house, oauth4webapi, which refuses whatever is not as the standards say.

import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'

// Node 18 has both, but under no name.
globalThis.crypto ??= webcrypto
globalThis.CryptoKey ??= webcrypto.CryptoKey
const oauth = await import(`${process.env.ZEROID_TEST_NODE}/node_modules/oauth4webapi/build/index.js`)

const base = process.env.ZEROID_BASE_URL
const insecure = { [oauth.allowInsecureRequests]: true } // The server under test is on loopback.
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'

const issuer = new URL(base)
const as = await oauth.processDiscoveryResponse(
  issuer,
  await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }),
)
assert.equal(as.issuer, base)
const resource = await oauth.processResourceDiscoveryResponse(
  issuer,
  await oauth.resourceDiscoveryRequest(issuer, insecure),
)
assert.deepEqual(resource.authorization_servers, [as.issuer])

async function admin(path, body) {
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(base + path, { method: 'POST', headers, body: JSON.stringify(body) })
  assert.equal(answer.status, 201, await answer.clone().text())
  return answer.json()
}

const agent = await admin('/agents/register', { name: 'Job', external_id: 'job', created_by: 'me@example.com' })

async function made(client_id, members) {
  const body = { client_id, name: client_id, confidential: true, identity_id: agent.identity.id, ...members }
  const grants = { grant_types: ['client_credentials', EXCHANGE] }
  return [{ client_id }, (await admin('/oauth/clients', { ...grants, ...body })).client_secret]
}

// Send a request, and once more with the nonce where one is demanded: the library keeps it.
let nonces = 0
async function again(send) {
  try {
    return await send()
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    nonces += 1
    return await send()
  }
}

// Client authentication, by every method: the name needs the encoding of RFC 6749 §2.3.1.
const [basic, basicSecret] = await made('by basic: 50%+', { token_endpoint_auth_method: 'client_secret_basic' })
const [post, postSecret] = await made('by-post', { token_endpoint_auth_method: 'client_secret_post' })
const pair = await oauth.generateKeyPair('ES256', { extractable: true })
const jwk = { ...(await crypto.subtle.exportKey('jwk', pair.publicKey)), kid: 'one', use: 'sig', alg: 'ES256' }
delete jwk.key_ops
delete jwk.ext
const [keyed] = await made('by-key', { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [jwk] } })
const ways = [
  [basic, () => oauth.ClientSecretBasic(basicSecret)],
  [post, () => oauth.ClientSecretPost(postSecret)],
  [keyed, () => oauth.PrivateKeyJwt({ key: pair.privateKey, kid: 'one' })],
]

async function judged(token, dpop) {
  // What a resource server does: the token and its proof by the published keys (RFC 9068 §4, RFC 9449 §7.1).
  const url = 'https://api.example/orders'
  const headers = new Headers({ authorization: `${dpop ? 'DPoP' : 'Bearer'} ${token}` })
  if (dpop) await dpop.addProof(new URL(url), headers, 'GET', token)
  const options = { requireDPoP: Boolean(dpop), ...insecure }
  return oauth.validateJwtAccessToken(as, new Request(url, { headers }), as.issuer, options)
}

for (const [client, way] of ways) {
  for (const dpop of [undefined, oauth.DPoP(client, await oauth.generateKeyPair('ES256'))]) {
    const token = await again(async () => {
      const options = { DPoP: dpop, ...insecure }
      const parameters = new URLSearchParams({ scope: 'read' })
      const response = await oauth.clientCredentialsGrantRequest(as, client, way(), parameters, options)
      return oauth.processClientCredentialsResponse(as, client, response)
    })
    assert.equal(token.token_type, dpop ? 'dpop' : 'bearer')
    const claims = await judged(token.access_token, dpop)
    assert.equal(claims.client_id, client.client_id)
    assert.equal(claims.sub, agent.identity.wimse_uri)
    assert.equal(Boolean(claims.cnf?.jkt), Boolean(dpop))

    const look = async () => {
      const response = await oauth.introspectionRequest(as, client, way(), token.access_token, insecure)
      return oauth.processIntrospectionResponse(as, client, response)
    }
    const told = await look()
    assert.deepEqual([told.active, told.scope, told.jti], [true, 'read', claims.jti])
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(as, client, way(), token.access_token, insecure),
    )
    assert.deepEqual(await look(), { active: false })
  }
}
assert.equal(nonces, 3, 'each new key was told its nonce once')

// A wrong secret is told in a challenge that the library reads.
await assert.rejects(
  async () => {
    const wrong = oauth.ClientSecretBasic('zid_cs_wrong')
    const response = await oauth.clientCredentialsGrantRequest(as, basic, wrong, {}, insecure)
    await oauth.processClientCredentialsResponse(as, basic, response)
  },
  (error) => error instanceof oauth.WWWAuthenticateChallengeError && error.cause[0].scheme === 'basic',
)

// Exchange: a bound root of the client's own agent is narrowed with a proof of its key, and refused by another's.
const dpop = oauth.DPoP(keyed, pair)
const grant = (type, parameters, handle) =>
  again(async () => {
    const options = { DPoP: handle, ...insecure }
    const way = oauth.PrivateKeyJwt({ key: pair.privateKey, kid: 'one' })
    const response = await oauth.genericTokenEndpointRequest(as, keyed, way, type, parameters, options)
    return oauth.processGenericTokenEndpointResponse(as, keyed, response)
  })
const root = await grant('client_credentials', { scope: 'read write' }, dpop)
const leaf = await grant(EXCHANGE, { subject_token: root.access_token, scope: 'read' }, dpop)
assert.equal(leaf.issued_token_type, 'urn:ietf:params:oauth:token-type:access_token')
const [above, below] = [await judged(root.access_token, dpop), await judged(leaf.access_token, dpop)]
assert.equal(below.cnf.jkt, above.cnf.jkt)
assert.equal(below.scope, 'read')
await assert.rejects(
  () => grant(EXCHANGE, { subject_token: root.access_token, scope: 'more' }, dpop),
  (error) => error instanceof oauth.ResponseBodyError && error.error === 'invalid_scope',
)

// A protected resource of this server, with a proof for each request, and a public client that only names itself.
const named = { client_id: 'named' }
await admin('/oauth/clients', { ...named, name: 'named', token_endpoint_auth_method: 'none', grant_types: ['api_key'] })
const handle = oauth.DPoP(named, await oauth.generateKeyPair('EdDSA'))
const manager = await again(async () => {
  const body = { api_key: process.env.ZEROID_API_KEY, scope: 'nhi:manage' }
  const options = { DPoP: handle, ...insecure }
  const response = await oauth.genericTokenEndpointRequest(as, named, oauth.None(), 'api_key', body, options)
  return oauth.processGenericTokenEndpointResponse(as, named, response)
})
for (let round = 0; round < 2; round += 1) {
  const url = new URL(`${base}/agents/registry`)
  const options = { DPoP: handle, ...insecure }
  const registry = await again(() =>
    oauth.protectedResourceRequest(manager.access_token, 'GET', url, undefined, null, options),
  )
  assert.equal(registry.status, 200)
}
await assert.rejects(
  () => oauth.protectedResourceRequest(manager.access_token, 'GET', new URL(`${base}/agents/registry`), undefined, null, insecure),
  (error) => error instanceof oauth.WWWAuthenticateChallengeError && error.status === 401,
)

console.log('done')
