"""Feature flags in GrowthBook, by its REST API (version 2). Needs no Prefect."""

import json
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from pydantic import Field

from blocks.calls.json_api import ApiAnswer, JsonApi
from blocks.errors import ChangedMeanwhile, ConnectionFault, Refused, Unreachable
from blocks.flags.backend import FlagReading
from blocks.flags.growthbook.growthbook_rules import (
    ZERO_REVISION,
    Json,
    RulePlace,
    epoch_of,
    foreign_rules,
    is_enabled,
    is_ours,
    is_tidy,
    recognise,
    rules_of,
    same_rule,
    stored_exposure,
)
from blocks.flags.marked_store import MarkedFlag, MarkedStore, must_be_a_switch
from tidegate.values.exposure import ZERO, Exposure

_KEY = re.compile(r"[A-Za-z0-9_.:|-]{1,256}")
_NOT_SENT = ("pendingRamp", "scheduleType", "rampScheduleId")


class GrowthBookStore(MarkedStore, JsonApi):
    """Boolean feature flags of one GrowthBook environment."""

    environment_key: str = Field(description="The environment's id in GrowthBook.", pattern=r"^[A-Za-z0-9_-]+$")
    hash_attribute: str = Field(default="id", description="The attribute that shares users out.", min_length=1)
    url: str = Field(
        default="https://api.growthbook.io/api", description="The API's address, with /api.", pattern=r"^https?://"
    )

    propagation_seconds: float = Field(
        default=60,
        ge=0,
        description="How long until every evaluator sees a change: the SDKs' longest cache.",
    )

    writes_by: ClassVar[str] = "POST"
    # "You exceeded the rate limit of 60 requests per minute": https://docs.growthbook.io/api (errors, 429).
    rate_limit: ClassVar[str] = "GrowthBook takes 3600 an hour"
    most_an_hour: ClassVar[int | None] = 3600

    def look(self, flag: str, seconds: float | None = None) -> MarkedFlag:
        """The flag as it stands there; raises Unreachable or Refused."""
        answer = self._ask(flag, "GET", seconds=seconds)
        if answer.status == 404:
            return MarkedFlag(FlagReading(ZERO, ZERO_REVISION, f"flag {flag} is not in GrowthBook"), 0)
        if not answer.is_good:
            raise self._fault(flag, answer)
        return self._seen(flag, answer)

    def serve(
        self, flag: str, exposure: Exposure, epoch: int, seen: MarkedFlag, permitted: Callable[[], object]
    ) -> None:
        """Serve this by a revision of its own; raises ChangedMeanwhile, Unreachable, Refused, or `permitted`'s."""
        feature = self._found(flag, seen)
        words = f"Tidegate, epoch {epoch}: {exposure}"
        draft = self._revision(flag, self._ask(flag, "POST", "/revisions", {"title": words[:200], "comment": words}))
        path = f"/revisions/{draft['version']}"
        try:
            if draft.get("baseVersion") != _version(feature):
                raise ChangedMeanwhile(f"flag {flag} was changed by somebody else in between")
            self._edit(flag, path, draft, rules_of(exposure, epoch, self._place(flag)))
            if not exposure.is_zero and not is_enabled(feature, self._place(flag)):
                on = {"environment": self.environment_key, "enabled": True}
                self._revision(flag, self._ask(flag, "POST", f"{path}/toggle", on))
            permitted()
            self._publish(flag, path, words, feature)
        except BaseException:
            self._discard(flag, path)
            raise

    def switch_off(self, flag: str) -> MarkedFlag | None:
        """Switch it off by one call that needs no reading before; raises Unreachable or Refused."""
        off = {"environments": {self.environment_key: False}, "reason": "Tidegate: off for everybody"}
        return self._after(flag, self._ask(flag, "POST", "/toggle", off))

    def clear(self, flag: str, epoch: int, seen: MarkedFlag) -> MarkedFlag | None:
        """One call: a rule that serves everybody the old path before all others here, and our epoch.

        The environment stays switched on: off, services would serve the default in their code.
        """
        feature = self._found(flag, seen)
        place = self._place(flag)
        rules = feature.get("rules") or ()
        others = [_sent(rule) for rule in rules if not is_ours(rule, place)]
        mark, *rest = rules_of(ZERO, epoch, place)
        # Under the id that it has: what a lost writer's revision makes of it is then a conflict.
        if ours := next((rule for rule in rules if is_ours(rule, place)), None):
            mark["id"] = ours["id"]
        return self._after(flag, self._ask(flag, "POST", "", {"rules": [mark, *rest, *others]}))

    def question(self, flag: str, wanted: Exposure | None = None) -> str:  # noqa: ARG002 - `evaluate` asks that
        """Nothing for people; raises Refused for a flag that cannot be raised safely, or Unreachable."""
        seen = self.look(flag)
        feature = self._found(flag, seen)
        if feature.get("defaultValue") != "false":
            raise Refused(f"flag {flag}: its default value serves the new path. Set it to false before the rollout")
        if count := foreign_rules(feature, self._place(flag)):
            raise Refused(
                f"flag {flag}: {count} rules stand there that are not Tidegate's; remove them before the rollout"
            )
        for name in ("prerequisites", "holdout"):
            if feature.get(name):
                raise Refused(f"flag {flag}: found {name}, which Tidegate cannot count; remove them before the rollout")
        if asked := self._approvals():
            raise Refused(f"flag {flag}: {asked}")
        return ""

    def evaluate(self, flag: str, exposure: Exposure, users: Sequence[tuple[str, str]], default: bool) -> list[bool]:
        """What GrowthBook's own SDK would answer these users (key, group), were this written."""
        from blocks.flags.growthbook.growthbook_evaluation import answers_of

        must_be_a_switch(flag, exposure)
        self._address(flag)
        rules = rules_of(exposure, 1, self._place(flag))
        return answers_of(rules, self.hash_attribute, exposure.attribute, users, default)

    def by_hand(self, flag: str) -> str:
        """The shell command by which a person turns the flag off for everybody when Tidegate is gone."""
        body = json.dumps({"environments": {self.environment_key: False}, "reason": "by hand"})
        address = shlex.quote(f"{self._address(flag)}/toggle")
        head = "-H 'Content-Type: application/json'"
        return f'curl -fsS -X POST -H "Authorization: Bearer $GROWTHBOOK_TOKEN" {head} -d {shlex.quote(body)} {address}'

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable or Refused."""
        asked = self._approvals()
        return f"GrowthBook answers{f'; {asked}' if asked else ''}"

    def _approvals(self) -> str:
        """Why drafts of this environment need an approval, empty for none."""
        address = f"{self.url.rstrip('/')}/v1/settings"
        answer = self.call("GrowthBook: settings", "GET", address, headers=self._headers)
        settings = answer.body.get("settings") if answer.is_good and isinstance(answer.body, dict) else None
        if not isinstance(settings, dict):
            raise Refused(f"GrowthBook: the settings cannot be read (answered {answer.status})")
        rules = [rule for rule in settings.get("requireReviews") or () if isinstance(rule, dict)]
        here = [r for r in rules if not r.get("environments") or self.environment_key in r["environments"]]
        if settings.get("restApiBypassesReviews") or not any(rule.get("requireReviewOn") for rule in here):
            return ""
        return (
            f"GrowthBook asks for an approval of each change in {self.environment_key}: exempt the environment, or let "
            "the REST API bypass approvals (organization settings)"
        )

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token.get_secret_value()}"}

    def _address(self, flag: str) -> str:
        if not _KEY.fullmatch(flag) or set(flag) == {"."}:
            allowed = "allowed are letters, digits and '_', '-', '.', ':', '|', at most 256"
            raise Refused(f"found the flag {flag[:60]!r}, {allowed} (GrowthBook's keys)")
        return f"{self.url.rstrip('/')}/v2/features/{flag.replace('|', '%7C')}"

    def _place(self, flag: str) -> RulePlace:
        return RulePlace(flag, self.environment_key, self.hash_attribute)

    def _ask(
        self, flag: str, method: str, path: str = "", body: Json | None = None, seconds: float | None = None
    ) -> ApiAnswer:
        address = f"{self._address(flag)}{path}"
        return self.call(f"GrowthBook: flag {flag}", method, address, body=body, headers=self._headers, seconds=seconds)

    def _edit(self, flag: str, path: str, draft: Json, wanted: list[Json]) -> None:
        """Make our rules of the draft these; the first is never replaced, so that any two writers conflict in it."""
        place = self._place(flag)
        ours = [rule for rule in draft.get("rules") or () if is_ours(rule, place)]
        if ours:
            change = {"rule": {"description": wanted[0]["description"], "enabled": False, "value": "false"}}
            self._revision(flag, self._ask(flag, "PUT", f"{path}/rules/{ours[0]['id']}", change))
        kept = 1 if ours else 0
        while 0 < kept < min(len(ours), len(wanted)) and same_rule(ours[kept], wanted[kept]):
            kept += 1
        for rule in reversed(ours[kept:]):
            self._revision(flag, self._ask(flag, "DELETE", f"{path}/rules/{rule['id']}", {}))
        for rule in wanted[kept:]:
            self._revision(flag, self._ask(flag, "POST", f"{path}/rules", {"rule": rule}))

    def _publish(self, flag: str, path: str, words: str, feature: Json) -> None:
        answer = self._ask(flag, "POST", f"{path}/publish", {"comment": words})
        if answer.is_good:
            return
        if _version(self.look(flag).definition) != _version(feature):
            raise ChangedMeanwhile(f"flag {flag} was changed by somebody else in between")
        raise self._fault(flag, answer)

    def _discard(self, flag: str, path: str) -> None:
        """A draft that is not published is not left lying; where that fails it does no harm."""
        try:
            self._ask(flag, "POST", f"{path}/discard", {})
        except ConnectionFault:
            return

    def _revision(self, flag: str, answer: ApiAnswer) -> Json:
        revision = answer.body.get("revision") if answer.is_good and isinstance(answer.body, dict) else None
        if not isinstance(revision, dict) or type(revision.get("version")) is not int:
            raise self._fault(flag, answer)
        return revision

    def _after(self, flag: str, answer: ApiAnswer) -> MarkedFlag | None:
        if not answer.is_good:
            raise self._fault(flag, answer)
        try:
            return self._seen(flag, answer)
        except Refused:
            return None  # the reading after it tells

    def _fault(self, flag: str, answer: ApiAnswer) -> ConnectionFault:
        said = f" ({answer.said})" if answer.said else ""
        gates = answer.body.get("gates") if isinstance(answer.body, dict) else None
        kinds = [str(gate.get("type"))[:40] for gate in gates or () if isinstance(gate, dict)]
        if answer.status == 404:
            return Refused(f"flag {flag} is not in GrowthBook{said}")
        if answer.status == 409:
            return Unreachable(f"flag {flag}: GrowthBook was busy with another change of it (409){said}")
        if any("approval" in kind for kind in kinds):
            return Refused(f"flag {flag}: GrowthBook asks for an approval of this change{said}")
        blocked = f", blocked by {', '.join(kinds)}" if kinds else ""
        return Refused(f"flag {flag}: GrowthBook answered {answer.status}{blocked}{said}")

    def _seen(self, flag: str, answer: ApiAnswer) -> MarkedFlag:
        feature = answer.body.get("feature") if isinstance(answer.body, dict) else None
        if not isinstance(feature, dict):
            raise Refused(f"flag {flag}: GrowthBook's answer is no feature")
        if feature.get("valueType") != "boolean":
            raise Refused(f"flag {flag}: found values of type {feature.get('valueType')}, allowed are boolean flags")
        if feature.get("archived"):
            raise Refused(f"flag {flag} is archived in GrowthBook")
        if self.environment_key not in (feature.get("environments") or {}):
            raise Refused(f"flag {flag}: GrowthBook has no environment {self.environment_key} for it")
        place = self._place(flag)
        reading, epoch = recognise(feature, place), epoch_of(feature, place)
        if reading.exposure is None or (epoch and reading.exposure != stored_exposure(feature, place)):
            words = f"{reading.description}{_last_change(feature)}"
            reading = FlagReading(reading.exposure, reading.revision, words)
        return MarkedFlag(reading, epoch, feature, is_tidy(feature, place))

    def _found(self, flag: str, seen: MarkedFlag) -> Json:
        if seen.definition is None:
            raise Refused(f"flag {flag} is not in GrowthBook: create it there as a boolean flag")
        feature: Json = seen.definition
        return feature


def _version(feature: Any) -> object:
    return feature["revision"].get("version") if isinstance(feature, dict) and feature.get("revision") else None


def _sent(rule: Json) -> Json:
    """A rule as it was answered, in the form that may be sent back."""
    return {name: value for name, value in rule.items() if name not in _NOT_SENT}


def _last_change(feature: Json) -> str:
    revision = feature.get("revision") or {}
    by = revision.get("publishedBy") or revision.get("createdBy") or {}
    who = str(by.get("name") or by.get("email") or by.get("id") or "")[:80]
    at = f" at {revision['date']}" if isinstance(revision.get("date"), str) else ""
    return f"; last change there by {who}{at[:40]}" if who else ""
