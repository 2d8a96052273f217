"""The SDK's life cycle, unmodified: register, issue, delegate, verify, revoke, rotate, and its error classes."""

from common import BASE_URL, client, post, refused
from highflame.zeroid import ZeroIDClient, generate_keypair
from highflame.zeroid import errors

zid = client()
assert zid.health().status == "healthy"
assert len(zid.jwks().keys) == 2, "one key signs, one is published to sign next"
assert zid.whoami(admin=True)["account_id"] == "default"

# Register: an orchestrator with an API key, a delegate with a key pair of its own.
private_key, public_key = generate_keypair()
orchestrator = zid.agents.register(name="Orchestrator", external_id="orchestrator", sub_type="orchestrator",
                                   created_by="dev@company.com", allowed_scopes=["tools:read", "tools:write"])
delegate = zid.agents.register(name="Delegate", external_id="delegate", created_by="dev@company.com",
                               public_key_pem=public_key)
assert orchestrator.identity.wimse_uri.endswith("/agent/orchestrator")
assert zid.agents.get(orchestrator.identity.id).api_key_prefix == orchestrator.api_key[:16]
found = zid.agents.list(limit=2)
assert found.total == 3 and len(found) == 2, "the management identity is one of them"
assert {agent.external_id for agent in zid.agents.iter_all()} == {"orchestrator", "delegate", "zeroid-admin"}

# Issue, and delegate with an assertion that the delegate signs.
root = zid.tokens.issue_api_key(orchestrator.api_key, scope="tools:read tools:write")
assert root.user_id == "dev@company.com"
as_orchestrator = ZeroIDClient(BASE_URL, api_key=orchestrator.api_key)
leaf = as_orchestrator.tokens.delegate_to(
    wimse_uri=delegate.identity.wimse_uri, private_key_pem=private_key, scope="tools:read other",
    subject_token=root.access_token)
assert leaf.scope == "tools:read", "asking for too much is narrowed, and the answer says what was granted"

# Verify offline, by introspection, and with the whole chain.
identity = zid.tokens.verify(leaf.access_token)
assert identity.sub == delegate.identity.wimse_uri and identity.is_delegated()
assert identity.delegated_by() == orchestrator.identity.wimse_uri
session = zid.tokens.session(leaf.access_token)
assert session.active and session.has_scope("tools:read") and not session.has_scope("tools:write")
session.require_scope("tools:read")
assert zid.tokens.verify_active(leaf.access_token).sub == identity.sub
chain = zid.tokens.delegation_chain(leaf.jti)
assert [edge.jti for edge in chain.edges] == [root.jti, leaf.jti]
assert [node.wimse_uri for node in chain.nodes] == [orchestrator.identity.wimse_uri, delegate.identity.wimse_uri]

# Revoke the root; the leaf dies with it, and the SDK says so.
issued = zid.credentials.list(identity_id=orchestrator.identity.id)
assert any(credential.id == root.jti for credential in issued.credentials)
assert zid.credentials.revoke(root.jti, reason="finished").revoked is True
assert zid.tokens.session(leaf.access_token).active is False
revoked = refused(lambda: zid.tokens.verify_active(leaf.access_token), errors.ZeroIDError)
assert type(revoked).__name__ == "TokenRevokedError"
assert zid.credentials.get(leaf.jti).is_revoked and zid.credentials.get(leaf.jti).revoke_reason == "finished"
refused(lambda: zid.credentials.revoke(root.jti), errors.NotFoundError)

# Rotating the key kills the old one and what it minted; deactivation is for good until it is undone.
before = zid.tokens.issue_api_key(orchestrator.api_key, scope="tools:read")
rotated = zid.agents.rotate_key(orchestrator.identity.id)
assert rotated.api_key != orchestrator.api_key
refused(lambda: zid.tokens.issue_api_key(orchestrator.api_key, scope="tools:read"), errors.APIError, "invalid_grant")
assert zid.tokens.introspect(before.access_token).active is False
after = zid.tokens.issue_api_key(rotated.api_key, scope="tools:read")
assert zid.agents.deactivate(orchestrator.identity.id).status == "deactivated"
assert zid.tokens.introspect(after.access_token).active is False
refused(lambda: zid.tokens.issue_api_key(rotated.api_key), errors.APIError, "invalid_grant")
again = zid.agents.reactivate(orchestrator.identity.id)
assert zid.tokens.introspect(after.access_token).active is False
assert zid.tokens.issue_api_key(again.api_key, scope="tools:read").access_token

# Update and delete: the record stays.
assert zid.agents.update(delegate.identity.id, framework="langgraph").framework == "langgraph"
assert zid.agents.delete(delegate.identity.id).status == "deactivated"
conflict = refused(lambda: zid.agents.register(name="x", external_id="delegate", created_by="dev@company.com"),
                   errors.ConflictError)
assert "deactivated" in str(conflict)

# Identities, keys and policies.
service = zid.identities.create(external_id="billing", owner_user_id="dev@company.com", identity_type="service",
                                allowed_scopes=[])
assert service.allowed_scopes == []
assert zid.identities.get(service.id).wimse_uri == service.wimse_uri
assert zid.identities.update(service.id, name="Billing").name == "Billing"
key = zid.api_keys.create(name="billing key", identity_id=service.id, scopes=["x"], expires_in_days=1)
assert key.key.startswith("zid_sk_") and zid.api_keys.get(key.id).state == "active"
refused(lambda: zid.tokens.issue_api_key(key.key, scope="x"), errors.APIError, "invalid_scope")
zid.api_keys.revoke(key.id, reason="test")
assert zid.api_keys.get(key.id).state == "revoked"
policy = zid.credential_policies.create(name="short", max_ttl_seconds=60, allowed_grant_types=["api_key"])
assert zid.credential_policies.get(policy.id).max_ttl_seconds == 60
assert zid.credential_policies.update(policy.id, max_ttl_seconds=90).max_ttl_seconds == 90
zid.credential_policies.delete(policy.id)
refused(lambda: zid.credential_policies.get(policy.id), errors.NotFoundError)
assert zid.identities.delete(service.id).status == "deactivated"

# Error classes.
refused(lambda: zid.agents.get("01890a5d-ac96-774b-bcce-b302099a8057"), errors.NotFoundError, "not_found")
refused(lambda: zid.agents.register(name="x", external_id="a b", created_by="dev@company.com"),
        errors.ValidationError)
refused(lambda: zid.tokens.issue_api_key("zid_sk_wrong"), errors.APIError, "invalid_grant")
plain = ZeroIDClient(BASE_URL, api_key=again.api_key)
refused(lambda: plain.agents.list(), errors.APIError, "invalid_scope")
status, told = post("/agents/register", {"name": "x"}, bearer="nonsense")
assert status == 401, told
print("done")
