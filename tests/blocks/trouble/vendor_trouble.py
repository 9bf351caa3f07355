"""Trouble with a vendor's API: the stand-in, or the real server behind its judge, answers as it should not."""

from collections.abc import Callable
from typing import Any

from tests.blocks.test_flag_backends import FLAG
from tests.blocks.trouble.trouble_suite import HTTP, Trouble
from tests.blocks.vendors.judged_server import Fault, JudgedServer

HASTY = 2.0  # where it hangs
_STATUS = {"hangs": 0, "trickles": -1}


def vendor_trouble(backend: Any, another: Any, server: JudgedServer, account: Any, dead_port: int) -> Trouble:
    """What can be done to this account."""
    url = backend.url

    def begins(kind: str, what: str) -> None:
        if kind == "unreachable":
            backend.url = f"http://127.0.0.1:{dead_port}"
            return
        if kind in _STATUS:
            backend.timeout_seconds = HASTY
        headers = {"Retry-After": "1"} if kind == "429" else {}
        method = "GET" if what == "reading" else ""
        server.faults.append(Fault(_STATUS[kind] if kind in _STATUS else int(kind), method, headers))

    def ends() -> None:
        server.faults.clear()
        backend.url = url
        backend.timeout_seconds = another.timeout_seconds
        backend._retry_after._until.clear()

    def between(done: Callable[[], object]) -> None:
        server.before[backend.writes_by] = done

    return Trouble(
        backend,
        another,
        begins,
        ends,
        between,
        edit=lambda: account.by_hand_full(FLAG),
        serves_nobody=lambda: not account.may_serve(FLAG),
        # Where the address itself does not answer, nothing gets through.
        zero_needs_no_reading=[kind for kind in HTTP if kind not in ("unreachable", "404")],
    )
