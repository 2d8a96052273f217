"""The agents of scenario 1 as they are deployed: three in a chain, and the policies that bound them."""

from common import client, management_token, post

zid = client()

# Deploy time. "the policy caps how deep the chain can go": depth 2. The firewall scope may be passed on by the
# monitoring and investigation agents, and used by the remediation agent alone. The SDK's policy call knows no
# `delegable_scopes`, so the policies are made by plain HTTP.
admin = management_token(zid)
status, passing_on = post("/credential-policies", {
    "name": "security response, passing on",
    "allowed_grant_types": ["api_key", "token_exchange"],
    "allowed_scopes": ["read:logs", "read:network"],
    "delegable_scopes": ["write:firewall-rules"],
    "max_delegation_depth": 2,
}, admin)
assert status == 201, passing_on
status, acting = post("/credential-policies", {
    "name": "security response, acting",
    "allowed_grant_types": ["api_key", "token_exchange"],
    "allowed_scopes": ["write:firewall-rules"],
    "max_delegation_depth": 2,
}, admin)
assert status == 201, acting


def deploy(name, policy, sub_type):
    return zid.agents.register(name=name, external_id=name, sub_type=sub_type, created_by="security@company.com",
                               trust_level="first_party", credential_policy_id=policy["id"])


monitoring_agent = deploy("monitoring-agent", passing_on, "autonomous")
investigation_agent = deploy("investigation-agent", passing_on, "tool_agent")
remediation_agent = deploy("remediation-agent", acting, "tool_agent")
