"""DPoP proofs by another implementation (PyJWT on OpenSSL): every algorithm the metadata names, from proof to resource."""

import base64
import hashlib
import json
import time
import uuid

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from common import API_KEY, BASE_URL


def base64url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def thumbprint(jwk):
    """RFC 7638 §3."""
    members = {"EC": ["crv", "kty", "x", "y"], "OKP": ["crv", "kty", "x"], "RSA": ["e", "kty", "n"]}[jwk["kty"]]
    canonical = json.dumps({name: jwk[name] for name in members}, separators=(",", ":"))
    return base64url(hashlib.sha256(canonical.encode()).digest())


def public_jwk(key, algorithm):
    jwk = algorithm.to_jwk(key.public_key(), as_dict=True)
    return {name: value for name, value in jwk.items() if name != "key_ops"}


def proof(alg, key, jwk, method, url, token=None):
    claims = {"jti": str(uuid.uuid4()), "htm": method, "htu": url, "iat": int(time.time())}
    if token:
        claims["ath"] = base64url(hashlib.sha256(token.encode()).digest())
    return jwt.encode(claims, key, algorithm=alg, headers={"typ": "dpop+jwt", "jwk": jwk})


named = httpx.get(f"{BASE_URL}/.well-known/oauth-authorization-server").json()["dpop_signing_alg_values_supported"]
rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
keys = {
    "ES256": (ec.generate_private_key(ec.SECP256R1()), jwt.algorithms.ECAlgorithm),
    "EdDSA": (ed25519.Ed25519PrivateKey.generate(), jwt.algorithms.OKPAlgorithm),
    "RS256": (rsa_key, jwt.algorithms.RSAAlgorithm),
    "PS256": (rsa_key, jwt.algorithms.RSAAlgorithm),
}
assert set(keys) | {"Ed25519"} == set(named), named

for alg, (key, algorithm) in keys.items():
    jwk = public_jwk(key, algorithm)
    endpoint = f"{BASE_URL}/oauth2/token"
    form = {"grant_type": "api_key", "api_key": API_KEY, "scope": "nhi:manage"}
    sent = proof(alg, key, jwk, "POST", endpoint)
    issued = httpx.post(endpoint, data=form, headers={"DPoP": sent})
    assert issued.status_code == 200, (alg, issued.text)
    assert issued.json()["token_type"] == "DPoP"
    token = issued.json()["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["cnf"]["jkt"] == thumbprint(jwk), alg
    again = httpx.post(endpoint, data=form, headers={"DPoP": sent})
    assert (again.status_code, again.json()["error"]) == (400, "invalid_dpop_proof"), (alg, again.text)

    resource = f"{BASE_URL}/api/v1/agents/registry"
    with_token = {"Authorization": f"DPoP {token}", "DPoP": proof(alg, key, jwk, "GET", resource, token)}
    assert httpx.get(resource, headers=with_token).status_code == 200, alg
    stolen = httpx.get(resource, headers={"Authorization": f"Bearer {token}"})
    assert stolen.status_code == 401, (alg, stolen.text)

for refused in ("ES384", "ES512", "HS256"):
    key = b"x" * 32 if refused == "HS256" else ec.generate_private_key(
        ec.SECP384R1() if refused == "ES384" else ec.SECP521R1())
    jwk = {"kty": "oct", "k": base64url(key)} if refused == "HS256" else public_jwk(key, jwt.algorithms.ECAlgorithm)
    sent = proof(refused, key, jwk, "POST", endpoint)
    answer = httpx.post(endpoint, data=form, headers={"DPoP": sent})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof"), (refused, answer.text)

print("done")
