"""The Prefect server that is meant: one that somebody named, never a temporary one that Prefect starts in silence."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from blocks.errors import Refused, Unreachable

T = TypeVar("T")
_LOST = (httpx.ReadError, httpx.WriteError, httpx.ReadTimeout, httpx.RemoteProtocolError)
_BETWEEN_SECONDS = 3.0
_STARTS_WITHIN_SECONDS = 30.0  # eleven where nothing else runs; whoever knows that it takes longer says so
_BUSY_FOR_SECONDS = 300.0  # of a server that is there, and makes its tables or has too much to do
_UNKNOWN_HOST = {socket.EAI_NONAME, socket.EAI_NODATA}
_LOOKS_EVERY_SECONDS = 0.5
_ANNOUNCED_EVERY_SECONDS = 15.0
NOT_NAMED = (
    "PREFECT_API_URL: found nothing, allowed is the address of your Prefect server's API, "
    "for example http://127.0.0.1:4200/api; `tidegate up` starts a local one"
)


def server_address() -> str:
    """The API address of the named server, without credentials; raises Refused where none is named."""
    named = PREFECT_API_URL.value()
    if not named:
        raise Refused(NOT_NAMED)
    return str(httpx.URL(named).copy_with(userinfo=b""))


@contextmanager
def server_client(*, retries: bool = False) -> Iterator[SyncPrefectClient]:
    """A client of the named server; raises Refused where none is named.

    Without `retries` a busy or absent server is reported at once: the client's own would go on for minutes.
    """
    server_address()
    if retries:
        with get_client(sync_client=True) as client:
            yield client
        return
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}), get_client(sync_client=True) as client:
        yield client


def asked_until(until: float, ask: Callable[[], T]) -> T:
    """What `ask` gives, asked again until this monotonic instant while a busy server says so or its answer is lost.

    A server that takes no connection is away, and is not waited for. Raises what `ask` raised last.
    """
    while True:
        try:
            return ask()
        except httpx.HTTPError as error:
            if not _may_pass(error) or time.monotonic() >= until:
                raise
        threading.Event().wait(_BETWEEN_SECONDS)


def await_server(say: Callable[[str], None], patience: float = _STARTS_WITHIN_SECONDS) -> None:
    """Return once the named server answers: it may have been started a moment ago. Raises Unreachable.

    What takes no connection is waited for as long as `patience`; a host that nobody knows, not at all.
    """
    began, announced = time.monotonic(), float("-inf")
    # One client for all looks: to make one takes longer than to look.
    with server_client() as client:
        while True:
            try:
                client.request("GET", "/health")
                return
            except httpx.HTTPError as error:
                if _is_unknown_host(error):
                    where = server_address()
                    raise Unreachable(
                        f"Prefect's server at {where}: nobody knows a host of this name; PREFECT_API_URL names it"
                    ) from error
                away = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout))
                allowed = patience if away else max(patience, _BUSY_FOR_SECONDS) if _may_pass(error) else 0.0
                if time.monotonic() - began >= allowed:
                    raise _given_up(error, patience) if away else does_not_answer(error) from error
            if (now := time.monotonic()) - announced >= _ANNOUNCED_EVERY_SECONDS:
                waited = "" if announced < 0 else f" ({now - began:.0f} s so far)"
                say(f"waiting up to {allowed:.0f} s for Prefect's server at {server_address()}{waited}")
                announced = now
            # Nothing announces that a port has been opened.
            threading.Event().wait(_LOOKS_EVERY_SECONDS)


def _is_unknown_host(error: BaseException) -> bool:
    """Whether the look-up of its name has failed for good."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return cause.errno in _UNKNOWN_HOST
        cause = cause.__cause__ or cause.__context__
    return False


def _given_up(error: Exception, patience: float) -> Unreachable:
    """Nobody listens there: it is not started yet, takes longer, or the address is another's."""
    mend = (
        "start it (`tidegate server`, which listens where PREFECT_API_URL says), correct PREFECT_API_URL, or say how "
        "long it may take: `--wait 5m`"
    )
    return Unreachable(f"{does_not_answer(error)} and was waited for {patience:.0f} s: {mend}")


def _may_pass(error: httpx.HTTPError) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code == httpx.codes.SERVICE_UNAVAILABLE
    return isinstance(error, _LOST)


def does_not_answer(error: Exception) -> Unreachable:
    """What is said of a server that does not answer: its address and what happened."""
    return Unreachable(f"Prefect's server at {server_address()} does not answer ({type(error).__name__})")
