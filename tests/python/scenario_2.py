"""Scenario 2 of the announcement: Developer Authorizes a Coding Agent — Then Steps Away.

Lines that begin with `# mission:` are the announcement's own; where ours differ, the line says why.
"""

from common import client, post

# mission: from highflame.zeroid import ZeroIDClient
# mission: zid = ZeroIDClient(api_key="zid_sk_...")
zid = client()

# mission: # Developer registers the agent for this ticket
# mission: # created_by is stamped as `owner` in every token this agent receives
# mission: agent = zid.agents.register(
# mission:     name="Coding Agent — ENG-4421",
# mission:     external_id="coding-agent-eng4421",
# mission:     sub_type="autonomous",
# mission:     trust_level="first_party",
# mission:     created_by="dev@company.com",
# mission:     labels={"ticket": "ENG-4421"},
# mission: )
agent = zid.agents.register(
    name="Coding Agent — ENG-4421",
    external_id="coding-agent-eng4421",
    sub_type="autonomous",
    trust_level="first_party",
    created_by="dev@company.com",
    labels={"ticket": "ENG-4421"},
)

# mission: # Agent authenticates with its own credential — developer is not in this flow
# mission: token = zid.tokens.issue(
# mission:     grant_type="api_key",
# mission:     api_key=agent.api_key,
# mission:     scope="read:codebase write:branch run:tests open:pr",
# mission: )
token = zid.tokens.issue(
    grant_type="api_key",
    api_key=agent.api_key,
    scope="read:codebase write:branch run:tests open:pr",
)

# mission: # token carries:
identity = zid.tokens.verify(token.access_token)
# mission: # sub: spiffe://.../agent/coding-agent-eng4421
assert identity.sub.startswith("spiffe://") and identity.sub.endswith("/agent/coding-agent-eng4421")
# mission: # owner: dev@company.com ← human authorization, in every token
assert identity.custom["owner"] == "dev@company.com"
assert identity.owner_user_id == "dev@company.com"
# mission: # scope: read:codebase write:branch run:tests open:pr
assert set(token.scope.split()) == {"read:codebase", "write:branch", "run:tests", "open:pr"}
assert identity.has_scope("write:branch") and not identity.is_delegated()

live = zid.tokens.introspect(token.access_token)
assert live.active and live.owner == "dev@company.com" and live.labels == {"ticket": "ENG-4421"}
assert live.act is None, "nobody delegated to this agent"

# mission: # Work complete — revoke immediately
# mission: zid.tokens.revoke(token.access_token)
# The SDK's `tokens.revoke` refuses locally without client credentials, so the endpoint is called by itself.
status, answer = post("/oauth2/token/revoke", {"token": token.access_token})
assert (status, answer) == (200, {"revoked": True})

# mission: # active: false on any subsequent introspection
for _ in range(3):
    assert zid.tokens.introspect(token.access_token).active is False
print("done")
