"""What the suite of vendors does by hand, in a real Unleash: Ada's edits, approvals, and every call sent on to it."""

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from tests.blocks.vendors.judged_server import Call, Reply
from tests.unleash_server import ENVIRONMENT, UnleashServer

_FEATURES = "projects/default/features"
EVERYBODY = {"name": "default", "parameters": {}, "constraints": []}
_RAISED: Any = {"name": "flexibleRollout", "constraints": []}


@dataclass
class UnleashAccount:
    """The real server, behind whatever the suite puts before it."""

    real: UnleashServer
    bot: str  # the token that Tidegate has: an editor's, no administrator's
    ada: str
    approval_words = "demands the approval of a change request"  # with them our refusal says why

    def answer(self, call: Call) -> Reply:
        """The real server's answer."""
        query = f"?{urlencode(call.query)}" if call.query else ""
        headers = {name: call.headers[name] for name in ("Authorization", "Content-Type") if name in call.headers}
        request = urllib.request.Request(
            f"{self.real.url}{call.path}{query}", call.body or None, headers, method=call.method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        return status, json.loads(text) if text else None

    def create(self, key: str) -> None:
        """A flag of this name, off and without strategies."""
        self.real.create(key)

    def may_serve(self, flag: str) -> bool:
        """Whether anybody may be let in."""
        found = self.real.environment(flag)
        return bool(found["enabled"])

    def by_hand(self, method: str, flag: str, path: str, body: Any = None) -> Any:
        """One change by Ada."""
        return self.real.ask(method, f"{_FEATURES}/{flag}/environments/{ENVIRONMENT}/{path}", body, self.ada)

    def by_hand_full(self, flag: str) -> None:
        self.by_hand("POST", flag, "strategies", EVERYBODY)

    def by_hand_off(self, flag: str) -> None:
        self.by_hand("POST", flag, "off")

    def by_hand_on(self, flag: str) -> None:
        self.by_hand("POST", flag, "on")

    def by_hand_rollout(self, flag: str, rollout: str) -> None:
        """As the page of a strategy does: the first one's percent, all else as it was."""
        first = self.real.environment(flag)["strategies"][0]
        body = {**first, "parameters": {**first["parameters"], "rollout": rollout}}
        self.by_hand("PUT", flag, f"strategies/{first['id']}", {k: v for k, v in body.items() if k != "id"})

    def require_approvals(self, *, required: bool = True) -> None:
        self.real.demand_change_requests(demanded=required)

    def bad_calls(self) -> Iterator[Call]:
        """Calls that Unleash's description does not allow."""
        there = f"/api/admin/{_FEATURES}/batch-patches-v1/environments/{ENVIRONMENT}/strategies"
        headers = {"Content-Type": "application/json", "Authorization": self.bot}
        for body in ({"parameters": {}}, {**_RAISED, "parameters": {"rollout": 10}}, {**_RAISED, "disabled": "no"}):
            yield Call("POST", there, {}, headers, json.dumps(body).encode())


@dataclass
class People:
    """Who has a token in the real server."""

    real: UnleashServer
    mark: str = field(default_factory=lambda: uuid.uuid4().hex[:4])

    @cached_property
    def bot(self) -> str:
        return self.real.editor(f"tidegate-{self.mark}")

    @cached_property
    def ada(self) -> str:
        return self.real.editor("Ada Lovelace")
