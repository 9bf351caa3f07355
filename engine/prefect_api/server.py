"""The Prefect server that is meant: one that somebody named, never a temporary one that Prefect starts in silence."""

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
_STARTS_WITHIN_SECONDS = 300.0  # eleven where nothing else runs; minutes on a busy machine, with tables to be made
_LOOKS_EVERY_SECONDS = 0.5
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
    """Return once the named server answers: it may have been started a moment ago. Raises Unreachable."""
    until = time.monotonic() + patience
    announced = False
    # One client for all looks: to make one takes longer than to look.
    with server_client() as client:
        while True:
            try:
                client.request("GET", "/health")
                return
            except httpx.HTTPError as error:
                away = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)) or _may_pass(error)
                if not away or time.monotonic() >= until:
                    raise does_not_answer(error) from error
            if not announced:
                say(f"waiting for Prefect's server at {server_address()}")
                announced = True
            # Nothing announces that a port has been opened.
            threading.Event().wait(_LOOKS_EVERY_SECONDS)


def _may_pass(error: httpx.HTTPError) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code == httpx.codes.SERVICE_UNAVAILABLE
    return isinstance(error, _LOST)


def does_not_answer(error: Exception) -> Unreachable:
    """What is said of a server that does not answer: its address and what happened."""
    return Unreachable(f"Prefect's server at {server_address()} does not answer ({type(error).__name__})")
