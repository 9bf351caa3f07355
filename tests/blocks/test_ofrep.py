"""OFREP: a real flagd evaluation behind the protocol is asked, and what it cannot answer is never taken for off."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote

import pytest
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import FlagNotFoundError
from pydantic import SecretStr

from blocks import FlagdFile, Ofrep
from blocks.connections import OpenConnections
from blocks.errors import Refused, Unreachable
from blocks.journal.block import Journal
from engine.preflight.served_now import served_now
from tests.blocks.conftest import LocalServer
from tests.engine.world import DEAD
from tests.permits import put
from tests.tidegate.builders import plan_of
from tidegate.values.exposure import Exposure
from tidegate.values.verdict import Verdict

FLAG = "shop:new-cart"


@pytest.fixture
def flagd(tmp_path: Path) -> Iterator[tuple[Ofrep, FlagdFile]]:
    """flagd's evaluation of a flag file, as its OFREP port has it, and the file's backend."""
    file = tmp_path / "flags.json"

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            context = dict(body["context"])
            core = FlagdCore()
            core.set_flags(json.loads(file.read_text()))
            key = unquote(self.path.removeprefix("/ofrep/v1/evaluate/flags/"))
            try:
                user = EvaluationContext(context.pop("targetingKey"), context)
                found = core.resolve_boolean_value(key, False, user)
                status, answer = 200, {"key": key, "value": found.value, "variant": found.variant}
            except FlagNotFoundError:
                status, answer = 404, {"key": key, "errorCode": "FLAG_NOT_FOUND"}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    backend = FlagdFile(path=str(file))
    backend.zero("other", None)
    yield Ofrep(url=f"http://127.0.0.1:{server.server_address[1]}"), backend
    server.shutdown()
    server.server_close()


def test_it_says_what_each_user_is_served(flagd: tuple[Ofrep, FlagdFile]) -> None:
    ofrep, backend = flagd
    assert ofrep.is_on(FLAG, "u", {}) is None
    backend.fence(FLAG, 1)
    put(backend, FLAG, Exposure(always_on=("ada@example.com",), attribute="userGroup"), 1)
    assert ofrep.is_on(FLAG, "u", {"userGroup": "ada@example.com"}) is True
    assert ofrep.is_on(FLAG, "u", {"userGroup": "x"}) is False
    assert ofrep.is_on(FLAG, "u", {"userGroup": "ada@example.com"}, on="on") is True
    assert ofrep.is_on(FLAG, "u", {"userGroup": "ada@example.com"}, on="NEW") is False
    assert "answers" in ofrep.check()


def test_preflight_asks_a_sample_of_every_group(tmp_path: Path, flagd: tuple[Ofrep, FlagdFile]) -> None:
    ofrep, backend = flagd
    journal = Journal(url=SecretStr(f"sqlite:///{tmp_path}/journal.db"))
    via = OpenConnections(journal, backend, DEAD, ofrep=ofrep)
    plan = plan_of({"flag.key": FLAG, "flag.always_on": ["staff"]})
    assert served_now(via, plan).verdict is Verdict.NOT_APPLICABLE
    backend.zero(FLAG, None)
    assert served_now(via, plan).verdict is Verdict.PASS
    backend.fence(FLAG, 9)
    put(backend, FLAG, Exposure(always_on=("staff",)), 9)
    found = served_now(via, plan)
    assert (found.verdict, "served the new path already" in found.sentence) == (Verdict.FAIL, True)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((200, {}, b"{}"), Refused, "allowed is an answer with value: true or false"),
        ((200, {}, b'{"value": "on"}'), Refused, "value: true or false"),
        ((200, {}, b"[]"), Refused, "found no object"),
        ((200, {}, b"no"), Refused, "no JSON"),
        ((401, {}, b""), Refused, "look at the token"),
        ((400, {}, b'{"errorCode": "PARSE_ERROR"}'), Refused, "PARSE_ERROR"),
        ((500, {}, b""), Unreachable, "answered 500"),
        ((429, {"Retry-After": "60"}, b""), Unreachable, "answered 429"),
        (None, Unreachable, "no answer|did not answer"),
    ],
    ids=str,
)
def test_what_is_no_answer_is_neither_on_nor_off(
    local_server: LocalServer, answer: Any, kind: type[Exception], words: str
) -> None:
    local_server.answer = lambda _: answer
    ofrep = Ofrep(url=local_server.url, token=SecretStr("canary"), timeout_seconds=0.5)
    with pytest.raises(kind, match=words):
        ofrep.is_on(FLAG, "u", {})


def test_what_is_sent(local_server: LocalServer) -> None:
    local_server.answer = lambda _: (200, {}, b'{"value": false}')
    assert Ofrep(url=f"{local_server.url}/x/", token=SecretStr("t")).is_on("a/b", "u", {"g": {"h": 1}}) is False
    [sent] = local_server.arrived
    assert (sent.path, json.loads(sent.body)) == (
        "/x/ofrep/v1/evaluate/flags/a%2Fb",
        {"context": {"g": {"h": 1}, "targetingKey": "u"}},
    )
    assert sent.headers["Authorization"] == "Bearer t"
