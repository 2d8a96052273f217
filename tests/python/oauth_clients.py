"""A client of another house, authlib, by each method of client authentication."""

import time

from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey

from common import BASE_URL, client, management_token, post

TOKEN = BASE_URL + "/oauth2/token"


def main():
    zid = client()
    bearer = management_token(zid)
    agent = zid.agents.register(name="Job", external_id="job", created_by="me@example.com")

    def made(client_id, **members):
        body = {"client_id": client_id, "name": client_id, "confidential": True, "identity_id": agent.identity.id, **members}
        status, answer = post("/oauth/clients", body, bearer)
        assert status == 201, answer
        return answer

    def asked(client_id, secret, method):
        with OAuth2Client(client_id, secret, token_endpoint_auth_method=method, scope="read") as session:
            if not isinstance(method, str):
                session.register_client_auth_method(method)
            token = session.fetch_token(TOKEN, grant_type="client_credentials")
        told = zid.tokens.introspect(token["access_token"])
        assert told.active and told.client_id == client_id and told.sub == agent.identity.wimse_uri, told
        return token

    # authlib does not encode the halves of Basic, so its name is one that needs no encoding.
    for method in ("client_secret_basic", "client_secret_post"):
        secret = made(f"by.{method}", token_endpoint_auth_method=method)["client_secret"]
        token = asked(f"by.{method}", secret, method)
        assert token["scope"] == "read" and token["token_type"] == "Bearer", token

    key = ECKey.generate_key("P-256")
    public = {**key.as_dict(private=False), "use": "sig"}
    made("by-key", token_endpoint_auth_method="private_key_jwt", jwks={"keys": [public]})
    issuer = zid.whoami()["issuer"]
    for _ in range(2):
        # authlib names the token endpoint and an hour; this server takes its issuer alone, and five minutes.
        claims = {"aud": issuer, "exp": int(time.time()) + 60}
        asked("by-key", key, PrivateKeyJWT(TOKEN, claims=claims, alg="ES256"))

    # The SDK: post, and its own shape of a client.
    created = zid.oauth_clients.create(client_id="by-sdk", name="SDK", confidential=True, identity_id=agent.identity.id)
    assert created.client_secret and created.client.is_active, created
    token = zid.tokens.issue_client_credentials("by-sdk", created.client_secret, scope="read")
    assert zid.tokens.introspect(token.access_token, client_id="by-sdk", client_secret=created.client_secret).active
    rotated = zid.oauth_clients.rotate_secret(created.client.id)
    assert not zid.tokens.introspect(token.access_token).active
    token = zid.tokens.issue_client_credentials("by-sdk", rotated.client_secret, scope="read")
    zid.tokens.revoke(token.access_token, client_id="by-sdk", client_secret=rotated.client_secret)
    assert not zid.tokens.introspect(token.access_token).active
    assert [one.client_id for one in zid.oauth_clients.list()].count("by-sdk") == 1
    assert zid.oauth_clients.get(created.client.id).client_id == "by-sdk"
    zid.oauth_clients.delete(created.client.id)
    assert "by-sdk" not in [one.client_id for one in zid.oauth_clients.list()]
    print("done")


main()
