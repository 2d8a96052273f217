"""Scenario 1 of the announcement, its three calls as they are printed: an operator's delegation routes stand in for
the delegates' proofs.

Lines that begin with `# mission:` are the announcement's own; the calls below them differ in nothing.
"""

from common import TOKEN_EXCHANGE, post, refused

# mission: from highflame.zeroid import ZeroIDClient
# mission: zid = ZeroIDClient(api_key="zid_sk_...")
from security_response import admin, investigation_agent, monitoring_agent, remediation_agent, zid

monitoring_agent_api_key = monitoring_agent.api_key


def route(delegator, delegate, scopes):
    status, made = post("/delegation-routes", {
        "from_identity_id": delegator.identity.id, "to_identity_id": delegate.identity.id, "scopes": scopes,
    }, admin)
    assert status == 201, made
    return made


# "the org policy that authorized it": two routes, made once.
route(monitoring_agent, investigation_agent, ["read:logs", "read:network"])
to_remediation = route(investigation_agent, remediation_agent, ["write:firewall-rules"])

# mission: # Monitoring agent authenticates with its own credential
# mission: # (api_key comes from agents.register() at deploy time)
# mission: monitoring = zid.tokens.issue(
# mission:     grant_type="api_key",
# mission:     api_key=monitoring_agent_api_key,
# mission:     scope="read:logs read:network",
# mission: )
monitoring = zid.tokens.issue(
    grant_type="api_key",
    api_key=monitoring_agent_api_key,
    scope="read:logs read:network",
)

# mission: # Anomaly confirmed — delegate to investigation agent
# mission: # scope cannot exceed what monitoring was granted
# mission: investigation = zid.tokens.issue(
# mission:     grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
# mission:     subject_token=monitoring.access_token,
# mission:     scope="read:logs read:network",
# mission: )
investigation = zid.tokens.issue(
    grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
    subject_token=monitoring.access_token,
    scope="read:logs read:network",
)

# mission: # Threat confirmed — delegate to remediation, scope narrowed further
# mission: remediation = zid.tokens.issue(
# mission:     grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
# mission:     subject_token=investigation.access_token,
# mission:     scope="write:firewall-rules",
# mission: )
remediation = zid.tokens.issue(
    grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
    subject_token=investigation.access_token,
    scope="write:firewall-rules",
)

# mission: # delegation_depth: 2 — CredentialPolicy cap reached
# mission: # any further delegation returns invalid_scope
refused(lambda: zid.tokens.issue(
    grant_type=TOKEN_EXCHANGE, subject_token=remediation.access_token, scope="write:firewall-rules"),
    Exception, "invalid_scope")

# mission: # Introspect the remediation token — full chain is there
# mission: chain = zid.tokens.introspect(remediation.access_token)
chain = zid.tokens.introspect(remediation.access_token)
# mission: # chain.sub → spiffe://.../remediation-agent
assert chain.sub.startswith("spiffe://") and chain.sub.endswith("/remediation-agent")
# mission: # chain.act["sub"] → spiffe://.../investigation-agent
assert chain.act["sub"].endswith("/investigation-agent")
assert chain.act["act"]["sub"].endswith("/monitoring-agent")
# mission: # chain.scope → "write:firewall-rules"
assert chain.scope == "write:firewall-rules"
# mission: # chain.delegation_depth → 2
assert chain.delegation_depth == 2

# "the remediation action traces back to the org policy that authorized it": each of the two names its route. The
# SDK's edges have no member for it, so this is plain HTTP.
status, told = post("/oauth2/token/introspect", {"token": remediation.access_token})
assert told["actor_proof"] == "policy", told
edges = zid.tokens.delegation_chain(remediation.jti).edges
assert [edge.delegation_depth for edge in edges] == [0, 1, 2]

# What no route covers is refused as before, and one end of the root ends all.
refused(lambda: zid.tokens.issue(
    grant_type=TOKEN_EXCHANGE, subject_token=monitoring.access_token, scope="write:firewall-rules"),
    Exception, "invalid_request")
zid.credentials.revoke(monitoring.jti, reason="incident closed")
for token in (monitoring, investigation, remediation):
    assert zid.tokens.introspect(token.access_token).active is False
assert to_remediation["max_ttl_seconds"] == 300
print("done")
