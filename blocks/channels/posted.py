"""One POST to a service that only takes messages: its address is a secret, and so is whatever its answer repeats."""

import httpx

from blocks.calls.addresses import shown_address
from blocks.calls.bounded import MOST_GIVEN_UP, SPARE_SECONDS, GivenUp, bounded
from blocks.calls.http_access import HttpAccess
from blocks.channels.retry_after import RetryAfter
from blocks.errors import AmbiguousResult, Refused, Unreachable

_SERVER_ERRORS, _MAY_PASS = 500, (408, 425, 429)
_LONGEST_ANSWER = 300


def post(
    via: HttpAccess, what: str, url: str, body: bytes, headers: dict[str, str], seconds: float, busy: RetryAfter
) -> str:
    """Send the message and return what was answered, shortened; raises Unreachable, Refused or AmbiguousResult."""
    busy.must_be_over(url, what)
    sent = {"content-type": "application/json", **via.sent_headers(), **headers}
    try:
        answer = bounded(
            lambda: httpx.request(
                "POST",
                url,
                content=body,
                headers=sent,
                timeout=seconds,
                verify=via.trusted(),
                proxy=via.proxy_address(),
                follow_redirects=False,
            ),
            seconds + SPARE_SECONDS,
            what,
            most_given_up=MOST_GIVEN_UP,
        )
    except GivenUp:
        raise AmbiguousResult(f"{what}: the answer was lost") from None
    # The originals' texts may repeat the request, its address included.
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol) as error:
        raise Unreachable(f"{what} does not answer ({type(error).__name__})") from None
    except (httpx.InvalidURL, UnicodeError):
        raise Refused(f"{what}: its address or a header cannot be sent") from None
    except httpx.HTTPError as error:
        raise AmbiguousResult(f"{what}: the answer was lost ({type(error).__name__})") from None
    busy.note(url, answer.headers)
    if answer.status_code >= _SERVER_ERRORS or answer.status_code in _MAY_PASS:
        raise Unreachable(f"{what} answered {answer.status_code}")
    if not answer.is_success:
        raise Refused(f"{what} answered {answer.status_code}")
    return via.hidden(answer.text.strip())[:_LONGEST_ANSWER]


def listens(via: HttpAccess, what: str, url: str, seconds: float) -> str:
    """A sentence on whether somebody answers there; nothing is sent. Raises Unreachable or Refused."""
    try:
        answer = bounded(
            lambda: httpx.request(
                "HEAD", url, timeout=seconds, verify=via.trusted(), proxy=via.proxy_address(), follow_redirects=False
            ),
            seconds + SPARE_SECONDS,
            what,
            most_given_up=MOST_GIVEN_UP,
        )
    except (httpx.InvalidURL, UnicodeError):
        raise Refused(f"{what}: this is no address") from None
    except httpx.HTTPError as error:
        raise Unreachable(f"{what} does not answer ({type(error).__name__})") from None
    if answer.status_code >= _SERVER_ERRORS and answer.status_code != httpx.codes.NOT_IMPLEMENTED:
        raise Unreachable(f"{what} answered {answer.status_code}")
    return f"{what} answers"


def shown_host(url: str) -> str:
    """The address without what makes it a secret: scheme and host alone."""
    shown = shown_address(url)
    return "/".join(shown.split("/")[:3])
