"""Scenario 1 of the announcement: Autonomous Security Response.

Lines that begin with `# mission:` are the announcement's own; where ours differ, the line says why.
"""

from common import TOKEN_EXCHANGE, refused

# mission: from highflame.zeroid import ZeroIDClient
# mission: zid = ZeroIDClient(api_key="zid_sk_...")
from security_response import acting, deploy, investigation_agent, monitoring_agent, remediation_agent, zid

after_remediation = deploy("clean-up-agent", acting, "tool_agent")
monitoring_agent_api_key = monitoring_agent.api_key

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
# The delegate proves who it is with its own key in the same request; without a proof nothing is issued.
refused(lambda: zid.tokens.issue(
    grant_type=TOKEN_EXCHANGE, subject_token=monitoring.access_token, scope="read:logs read:network"),
    Exception, "invalid_request")
investigation = zid.tokens.issue(
    grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
    subject_token=monitoring.access_token,
    api_key=investigation_agent.api_key,
    scope="read:logs read:network",
)
assert investigation.scope == "read:logs read:network"

# mission: # Threat confirmed — delegate to remediation, scope narrowed further
# mission: remediation = zid.tokens.issue(
# mission:     grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
# mission:     subject_token=investigation.access_token,
# mission:     scope="write:firewall-rules",
# mission: )
remediation = zid.tokens.issue(
    grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
    subject_token=investigation.access_token,
    api_key=remediation_agent.api_key,
    scope="write:firewall-rules",
)

# mission: # delegation_depth: 2 — CredentialPolicy cap reached
# mission: # any further delegation returns invalid_scope
refused(lambda: zid.tokens.issue(
    grant_type=TOKEN_EXCHANGE, subject_token=remediation.access_token,
    api_key=after_remediation.api_key, scope="write:firewall-rules"), Exception, "invalid_scope")

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

# "the monitoring agent can only pass down what it was granted": it cannot use the firewall scope itself, and what
# nobody on the chain holds cannot be asked for.
error = refused(lambda: zid.tokens.issue(
    grant_type="api_key", api_key=monitoring_agent_api_key, scope="write:firewall-rules"), Exception, "invalid_scope")
error = refused(lambda: zid.tokens.issue(
    grant_type=TOKEN_EXCHANGE, subject_token=investigation.access_token, api_key=remediation_agent.api_key,
    scope="delete:everything"), Exception, "invalid_scope")
assert "delete:everything" in str(error)

# "the remediation action traces back": the explorer tells the same story, and the root's end is everyone's.
edges = zid.tokens.delegation_chain(remediation.jti).edges
assert [edge.delegation_depth for edge in edges] == [0, 1, 2]
assert edges[0].jti == monitoring.jti and edges[2].jti == remediation.jti
zid.credentials.revoke(monitoring.jti, reason="incident closed")
for token in (monitoring, investigation, remediation):
    assert zid.tokens.introspect(token.access_token).active is False
print("done")
