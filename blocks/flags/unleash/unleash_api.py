"""Unleash's admin API: one project, one environment, a flag's strategies and its switch."""

import re
from typing import Any
from urllib.parse import quote, urlencode

from pydantic import Field, PrivateAttr

from blocks.calls.json_api import ApiAnswer, JsonApi
from blocks.errors import ChangedMeanwhile, ConnectionFault, Refused, Unreachable
from blocks.flags.unleash.unleash_reading import last_change, missing_rights, names_of
from blocks.flags.unleash.unleash_rules import Json

_KEY = re.compile(r"[A-Za-z0-9_.~!*'()-]{1,100}")
_NO_STRATEGY = "00000000-0000-0000-0000-000000000000"
_NO_FLAG = "tidegate-check"


class ApprovalNeeded(Refused):
    """Each change waits for a reviewer there, the rollback too."""


class UnleashApi(JsonApi):
    """The calls that Tidegate makes; each raises Unreachable or Refused."""

    url: str = Field(description="Unleash's address, without /api.", pattern=r"^https?://[^\s?#]+$")
    project: str = Field(default="default", description="The project's id.", pattern=r"^[A-Za-z0-9_.~-]+$")
    environment_name: str = Field(
        default="production", description="The environment in Unleash.", pattern=r"^[A-Za-z0-9_.~-]+$"
    )

    _actors: dict[str, tuple[str, str]] = PrivateAttr(default_factory=dict)
    _own_names: frozenset[str] | None = PrivateAttr(default=None)

    def feature(self, flag: str, seconds: float | None = None) -> Any:
        """The flag with all its environments, None where the project has none of this name."""
        answer = self._ask(flag, "GET", seconds=seconds)
        if answer.status == 404:
            return None
        return _good(flag, answer).body

    def switch(self, flag: str, way: str) -> None:
        """Switch the flag's environment `on` or `off`."""
        _good(flag, self._ask(flag, "POST", way))

    def add_strategy(self, flag: str, body: Json) -> None:
        """A new strategy beside those that stand there."""
        _good(flag, self._ask(flag, "POST", "strategies", body=body))

    def put_strategy(self, flag: str, strategy: Json, body: Json) -> None:
        """Make a strategy that stands there another one; raises ChangedMeanwhile where it was deleted."""
        answer = self._ask(flag, "PUT", _path(strategy), body=body)
        if answer.status == 404:
            raise ChangedMeanwhile(f"flag {flag}: a strategy that was there is deleted")
        _good(flag, answer)

    def delete_strategy(self, flag: str, strategy: Json) -> None:
        """Delete it, or find it deleted."""
        answer = self._ask(flag, "DELETE", _path(strategy))
        if answer.status != 404:
            _good(flag, answer)

    def try_to_write(self, flag: str, body: Json) -> None:
        """Whether the token may change strategies: none has this id, so nothing is written; raises ApprovalNeeded."""
        answer = self._ask(flag, "PUT", f"strategies/{_NO_STRATEGY}", body=body)
        if answer.status != 404:
            _good(flag, answer)

    def found(self, body: Json) -> str:
        """A sentence about the environment and the token's rights there."""
        whom = f"Unleash: environment {self.environment_name} of {self.project}"
        answer = self.call(whom, "GET", f"{self._base}/environments/project/{self.project}", headers=self._headers)
        listed = answer.body.get("environments") if isinstance(answer.body, dict) else None
        names = [one.get("name") for one in listed or [] if isinstance(one, dict)]
        if not answer.is_good or self.environment_name not in names:
            there = f"; there are {', '.join(map(str, names))}" if names else ""
            raise Refused(f"{whom}: it is not there (answered {answer.status}){there}")
        if lacking := missing_rights(self._user(whom), self.project, self.environment_name):
            raise Refused(f"{whom}: the token lacks {', '.join(lacking)}")
        try:
            self.try_to_write(_NO_FLAG, body)
        except ApprovalNeeded:
            return f"{whom} answers; it asks for approvals (change requests), which this token may not skip"
        return f"{whom} answers, and the token may change strategies and switch"

    def actor(self, flag: str, revision: str) -> str:
        """Who changed it last, by Unleash's event log; asked once a revision, and nothing depends on it."""
        known = self._actors.get(flag)
        if known is not None and known[0] == revision:
            return known[1]
        query = urlencode({"feature": f"IS:{flag}", "limit": "10"})
        whom = f"Unleash: event log of {flag}"
        try:
            if self._own_names is None:
                self._own_names = names_of(self._user(whom))
            answer = self.call(whom, "GET", f"{self._base}/search/events?{query}", headers=self._headers)
        except ConnectionFault:
            return ""  # asked again at the next look
        words = last_change(answer.body, self.environment_name, self._own_names)
        self._actors[flag] = (revision, words)
        return words

    def address(self, flag: str, path: str = "") -> str:
        """The flag's address, or with a path its environment's; raises Refused for what no flag can be called."""
        if not _KEY.fullmatch(flag) or flag in (".", ".."):
            allowed = "allowed are letters, digits and _ . - ~ ! * ' ( ), at most 100"
            raise Refused(f"found the flag {flag[:60]!r}, {allowed} (Unleash's names)")
        there = f"{self._base}/projects/{self.project}/features/{flag}"
        return f"{there}/environments/{self.environment_name}/{path}" if path else there

    def _ask(self, flag: str, method: str, path: str = "", **more: Any) -> ApiAnswer:
        try:
            return self.call(f"Unleash: flag {flag}", method, self.address(flag, path), headers=self._headers, **more)
        except Refused as why:
            if "SKIP_CHANGE_REQUEST" not in str(why):
                raise
            raise ApprovalNeeded(
                f"flag {flag}: the project {self.project} demands the approval of a change request for each change in "
                f"{self.environment_name}, zero included. Let the token's role skip them (SKIP_CHANGE_REQUEST) there"
            ) from None

    def _user(self, whom: str) -> Any:
        return self.call(whom, "GET", f"{self._base}/user", headers=self._headers).body

    @property
    def _base(self) -> str:
        return f"{self.url.rstrip('/')}/api/admin"

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": self.token.get_secret_value()}


def _path(strategy: Json) -> str:
    return f"strategies/{quote(str(strategy['id']), safe='')}"


def _good(flag: str, answer: ApiAnswer) -> ApiAnswer:
    if answer.is_good:
        return answer
    said = f" ({answer.said})" if answer.said else ""
    if answer.status == 409:
        raise Unreachable(f"flag {flag}: Unleash was busy with another change of it (409){said}")
    raise Refused(f"flag {flag}: Unleash answered {answer.status}{said}")
