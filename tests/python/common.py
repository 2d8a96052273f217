"""What the scripts share: a client with the management key, and plain HTTP for what the SDK has no call for."""

import json
import os
import urllib.request

from highflame.zeroid import ZeroIDClient

BASE_URL = os.environ["ZEROID_BASE_URL"]
API_KEY = os.environ["ZEROID_API_KEY"]
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


def client(**options):
    """The SDK as its documentation says, pointed at this server."""
    zid = ZeroIDClient(BASE_URL, api_key=options.pop("api_key", API_KEY), **options)
    # The mission writes `tokens.issue`; the SDK keeps the same call as `_issue`.
    zid.tokens.issue = zid.tokens._issue
    return zid


def post(path, body, bearer=None):
    """POST JSON; gives the status and the parsed answer."""
    headers = {"Content-Type": "application/json"}
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    request = urllib.request.Request(BASE_URL + path, json.dumps(body).encode(), headers, method="POST")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def management_token(zid):
    """An access token with the management scopes of the client's key."""
    return zid.tokens.issue(grant_type="api_key", api_key=API_KEY, scope="nhi:manage credentials:manage").access_token


def refused(call, kind, code=None):
    """The call must raise this class of error, with this code if one is given."""
    try:
        call()
    except kind as error:
        assert code is None or error.code == code, f"{error!r} has code {error.code}, not {code}"
        return error
    raise AssertionError(f"expected {kind.__name__}")
