"""The few calls of Prefect's API that people's answers and orders need, and a world whose worker rules on them."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import pytest
from prefect._internal.pydantic.v2_schema import create_v2_schema
from prefect.context import refresh_global_settings_context
from prefect.utilities.schema_tools import ValidationError, validate

from engine.gates.authorize import Given
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout
from engine.steering.orders import end_holds
from flows.forms.gate_form import asking_form

Body = dict[str, Any]


class StandIn:
    """`worker` gets what a resumed run would, `orders` what a started deployment would; it gives back what that says.

    Once it is told which rollout `asks`, it takes what the gate's form takes, as the server does. Only where it is
    `polled` it has work pools, each with a living worker.
    """

    def __init__(self) -> None:
        self.worker: Any = lambda given: None
        self.orders: dict[str, Callable[[Body], str]] = {}
        self.given: list[Body] = []
        self.inputs: dict[str, datetime] = {}
        self.asks: OpenRollout | None = None
        self.polled = False
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_port}/api"
        self._deployments: dict[str, str] = {}
        self._runs: dict[str, Body] = {}

    def resumed(self, body: Body) -> Body:
        try:
            if self.asks is not None:
                validate(body["run_input"], _form_of(self.asks.again()), raise_on_error=True)
        except ValidationError as error:
            return {"status": "REJECT", "state": None, "details": {"type": "reject_details", "reason": str(error)}}
        self.given.append(body["run_input"])
        self.worker(body["run_input"])
        return {"status": "ACCEPT", "state": None, "details": {"type": "accept_details"}}

    def filtered(self, body: Body) -> list[Body]:
        found = [(key, at) for key, at in self.inputs.items() if key.startswith(body["prefix"])][: body["limit"]]
        base = {"id": str(uuid4()), "flow_run_id": str(uuid4()), "value": "{}"}
        return [{**base, "key": key, "created": at.isoformat()} for key, at in found]

    def deployment(self, name: str) -> Body | None:
        if name not in self.orders:
            return None
        made = {"id": str(uuid4()), "name": name, "flow_id": str(uuid4())}
        self._deployments[made["id"]] = name
        return made

    def started(self, deployment: str, parameters: Body) -> Body:
        try:
            kind, said = "COMPLETED", self.orders[self._deployments[deployment]](parameters)
        except NotAllowed as refusal:
            kind, said = "FAILED", str(refusal)
        state = {"id": str(uuid4()), "type": kind, "name": kind.capitalize(), "message": said}
        made = {"id": str(uuid4()), "flow_id": str(uuid4()), "name": "order", "parameters": parameters, "state": state}
        self._runs[made["id"]] = made
        return made

    def pool(self, name: str) -> Body | None:
        made = {"id": str(uuid4()), "name": name, "type": "process", "is_paused": False, "base_job_template": {}}
        return {**made, "default_queue_id": str(uuid4())} if self.polled else None

    def run(self, run: str) -> Body | None:
        return self._runs.get(run)


def _form_of(run: OpenRollout) -> Any:
    """The schema that Prefect stores when the run suspends at its gate."""
    gate = run.state.gate
    assert gate is not None
    form = asking_form(run, gate.wave, gate.attempt, gate.refusal)
    return create_v2_schema(form.__name__, model_base=form)


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            *_, what, last = self.path.split("/")
            known = {"flow_runs": stand_in.run, "work_pools": stand_in.pool}
            self._say(200, known.get(what, stand_in.deployment)(last))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            *_, which, last = self.path.split("/")
            if last == "resume":
                self._say(201, stand_in.resumed(body))
            elif last == "create_flow_run":
                self._say(201, stand_in.started(which, body["parameters"]))
            elif which in ("queues", "workers"):
                self._say(200, [{"status": "ONLINE"}] if which == "workers" else [])
            else:
                self._say(201, stand_in.filtered(body))

        def _say(self, status: int, answer: object) -> None:
            if answer is None:
                self.send_error(404)
                return
            payload = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Answer


@contextmanager
def prefect_stand_in() -> Iterator[StandIn]:
    """It answers, and every client of Prefect's asks it, in whichever thread."""
    stand_in = StandIn()
    thread = threading.Thread(target=stand_in.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_API_URL", stand_in.url)
        patch.setenv("PREFECT_SERVER_ALLOW_EPHEMERAL_MODE", "false")
        refresh_global_settings_context()
        yield stand_in
    refresh_global_settings_context()
    stand_in.server.shutdown()
    stand_in.server.server_close()
    thread.join()


def resumes(run: OpenRollout) -> Callable[[Body], str]:
    """What a run of the deployment `resume` does with an order for this rollout."""

    def order(given: Body) -> str:
        causes = end_holds(
            run.again(), given["by"], given["reason"], Given("prefect", given["code"], datetime.now(UTC))
        )
        return f"Resumed ({', '.join(causes)})." if causes else "Nothing was held."

    return order
