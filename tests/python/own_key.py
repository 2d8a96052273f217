"""An agent enrols a key of its own with the SDK, is delegated to by its signature, and replaces it."""

from common import BASE_URL, client, post, refused
from highflame.zeroid import ZeroIDClient, ZeroIDError, generate_keypair

zid = client()
boss = zid.agents.register(name="Boss", external_id="boss", created_by="dev@company.com",
                           trust_level="first_party")
aide = zid.agents.register(name="Aide", external_id="aide", created_by="dev@company.com")
as_boss = client(api_key=boss.api_key, scope="tools:read")
as_aide = client(api_key=aide.api_key, scope="tools:read")
first, _ = generate_keypair()
second, _ = generate_keypair()
third, _ = generate_keypair()


def delegate(private_key):
    return as_boss.tokens.delegate_to(wimse_uri=aide.identity.wimse_uri, private_key_pem=private_key, scope="tools:read")


# Nobody can delegate to an agent without a key; the agent enrols one for itself, and needs no scope for it.
refused(lambda: delegate(first), ZeroIDError, "invalid_grant")
enrolled = as_aide.agents.enroll_key(first)
assert enrolled.id == aide.identity.id and enrolled.wimse_uri == aide.identity.wimse_uri
leaf = delegate(first)
assert leaf.scope == "tools:read"

# Whoever has the API key alone cannot put another key in its place.
error = refused(lambda: as_aide.agents.enroll_key(second), ZeroIDError)
assert error.status == 403 and "current_key_proof" in str(error), error
error = refused(lambda: as_aide.agents.enroll_key(second, current_private_key_pem=third), ZeroIDError)
assert error.status == 403, error
delegate(first)

# The current key agrees: the new one is good at once, the old one no longer.
as_aide.agents.enroll_key(second, current_private_key_pem=first)
delegate(second)
refused(lambda: delegate(first), ZeroIDError, "invalid_grant")

# The key alone is enough from now on: the SDK signs an assertion for each token, and needs no API key.
def by_key(private_key):
    return ZeroIDClient(BASE_URL, private_key_pem=private_key, wimse_uri=aide.identity.wimse_uri, scope="tools:read")


as_itself = by_key(second)
told = as_itself.whoami()
assert told["subject"] == aide.identity.wimse_uri and told["scopes"] == ("tools:read",), told
for replaced in (first, third):
    refused(lambda: by_key(replaced).whoami(), ZeroIDError, "invalid_grant")
# It delegates with the token it got so, and goes over to the key it sets.
boss_key, _ = generate_keypair()
as_boss.agents.enroll_key(boss_key)
lent = as_itself.tokens.delegate_to(wimse_uri=boss.identity.wimse_uri, private_key_pem=boss_key, scope="tools:read")
assert zid.tokens.introspect(lent.access_token).act["sub"] == aide.identity.wimse_uri
fourth, _ = generate_keypair()
as_itself.agents.enroll_key(fourth, current_private_key_pem=second)
assert as_itself.whoami()["subject"] == aide.identity.wimse_uri
refused(lambda: by_key(second).whoami(), ZeroIDError, "invalid_grant")

# A delegated token speaks for somebody else. (The SDK does not send one, so this is plain HTTP.)
body = {"new_public_key_pem": "x", "new_key_proof": "x"}
assert post("/agents/self/public-key", body, leaf.access_token)[0] == 403
assert post("/agents/self/public-key", body)[0] == 401

print("done")
