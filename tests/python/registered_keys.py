"""Agents whose keys are of another implementation (PyJWT on OpenSSL): each kind by its one algorithm, and by no other."""

import time
import uuid

import httpx
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from common import BASE_URL, TOKEN_EXCHANGE, client, management_token

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
manager = {"Authorization": f"Bearer {management_token(client())}"}


def register(name, **more):
    body = {"name": name, "external_id": name, "created_by": "dev@company.com", **more}
    answer = httpx.post(f"{BASE_URL}/agents/register", json=body, headers=manager)
    assert answer.status_code == 201, answer.text
    return answer.json()


def assertion(agent, key, alg):
    uri, now = agent["identity"]["wimse_uri"], int(time.time())
    claims = {"iss": uri, "sub": uri, "aud": BASE_URL, "jti": str(uuid.uuid4()), "iat": now, "exp": now + 60}
    return jwt.encode(claims, key, algorithm=alg)


def token(**form):
    return httpx.post(f"{BASE_URL}/oauth2/token", data={"scope": "read", **form})


root = token(grant_type="api_key", api_key=register("py-boss")["api_key"]).json()["access_token"]
keys = {
    "ES256": (ec.generate_private_key(ec.SECP256R1()), []),
    "EdDSA": (ed25519.Ed25519PrivateKey.generate(), []),
    # Real signatures of an RSA key by other paddings and hashes.
    "RS256": (rsa.generate_private_key(public_exponent=65537, key_size=2048),
              ["PS256", "PS384", "PS512", "RS384", "RS512"]),
    # The largest that is taken.
    "RS256-4096": (rsa.generate_private_key(public_exponent=65537, key_size=4096), ["PS256"]),
}
for name, (key, others) in keys.items():
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    agent, alg = register(f"py-{name}", public_key_pem=pem.decode()), name.split("-")[0]
    own = token(grant_type=JWT_BEARER, assertion=assertion(agent, key, alg))
    assert own.status_code == 200, (name, own.text)
    child = token(grant_type=TOKEN_EXCHANGE, subject_token=root, actor_token=assertion(agent, key, alg))
    assert child.status_code == 200, (name, child.text)
    said = jwt.decode(child.json()["access_token"], options={"verify_signature": False})
    assert said["sub"] == agent["identity"]["wimse_uri"], said
    for other in others:
        for form in (
            {"grant_type": JWT_BEARER, "assertion": assertion(agent, key, other)},
            {"grant_type": TOKEN_EXCHANGE, "subject_token": root, "actor_token": assertion(agent, key, other)},
        ):
            refused = token(**form)
            assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant"), (other, refused.text)

print("done")
