"""The SDK under a limit of one request a second: it comes again by itself, and gives up with RateLimitError."""

from highflame.zeroid import _transport as transport
from highflame.zeroid.errors import RateLimitError

from common import API_KEY, client, refused

zid = client()


def ask(zid):
    return zid.tokens.issue(grant_type="api_key", api_key=API_KEY, scope="nhi:manage")


waited = []
usual_delay = transport._retry_delay


def counted_delay(attempt):
    waited.append(attempt)
    return usual_delay(attempt)


transport._retry_delay = counted_delay
for _ in range(50):
    assert ask(zid).access_token, "refused or not, it gets its token in the end"
    if waited:
        break
assert waited, "it was never refused"

# Without time between its attempts it is refused each time.
transport._retry_delay = lambda attempt: 0.0
ask_until_refused = lambda: [ask(zid) for _ in range(50)]
error = refused(ask_until_refused, RateLimitError)
assert error.status == 429, error
print("done")
