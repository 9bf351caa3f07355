"""Feature flags in LaunchDarkly, by its REST API. Needs no Prefect."""

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from pydantic import Field, PrivateAttr

from blocks.calls.json_api import ApiAnswer, JsonApi
from blocks.errors import ChangedMeanwhile, ConnectionFault, Refused, Unreachable
from blocks.flags.backend import FlagReading
from blocks.flags.launchdarkly.launchdarkly_account import approvals_asked_for, last_change
from blocks.flags.launchdarkly.launchdarkly_reading import (
    ZERO_REVISION,
    changes,
    epoch_of,
    foreign_rules,
    is_tidy,
    recognise,
    stored_exposure,
)
from blocks.flags.launchdarkly.launchdarkly_rules import Json, Variations, instructions, switched_off, variations_of
from blocks.flags.marked_store import MarkedFlag, MarkedStore, must_be_a_switch
from tidegate.values.exposure import ZERO, Exposure

_KEY = re.compile(r"[A-Za-z0-9._-]{1,256}")
_SEMANTIC = "application/json; domain-model=launchdarkly.semanticpatch"
_VERSION = "20240415"
_OFF: tuple[Json, ...] = ({"kind": "turnFlagOff"},)
# A scheduled change or an open approval request of somebody must not keep the flag on.
_WHATEVER_IS_PLANNED = {"ignoreConflicts": "true"}
_NEEDS_APPROVAL = (
    "the environment {0} requires an approval in LaunchDarkly for each change of a flag: "
    "let the token's role bypass it (bypassRequiredApproval), or exempt these flags by their tags"
)


class LaunchDarklyStore(MarkedStore, JsonApi):
    """Boolean feature flags of one LaunchDarkly project and environment."""

    project: str = Field(description="The project's key.", pattern=r"^[A-Za-z0-9._-]+$")
    environment_key: str = Field(
        description="The key of the environment in LaunchDarkly.", pattern=r"^[A-Za-z0-9._-]+$"
    )
    context_kind: str = Field(
        default="user", description="The kind of context whose key shares users out.", pattern=r"^[A-Za-z0-9._-]+$"
    )
    url: str = Field(default="https://app.launchdarkly.com", description="The API's address.", pattern=r"^https?://")

    writes_by: ClassVar[str] = "PATCH"
    # It publishes no number, on purpose: https://launchdarkly.com/docs/api#rate-limiting.
    most_an_hour: ClassVar[int | None] = None
    rate_limit: ClassVar[str] = "LaunchDarkly counts an account's calls in windows of 10s and says no number"

    _actors: dict[str, tuple[object, str]] = PrivateAttr(default_factory=dict)

    def look(self, flag: str, seconds: float | None = None) -> MarkedFlag:
        """The flag as it stands there; raises Unreachable or Refused."""
        answer = self._ask(flag, "GET", params={"env": self.environment_key}, seconds=seconds)
        if answer.status == 404:
            missing = f"flag {flag} is not in the project {self.project}, or the project is not there"
            return MarkedFlag(FlagReading(ZERO, ZERO_REVISION, missing), 0)
        return self._seen(flag, answer.body, name_actor=True)

    def serve(
        self, flag: str, exposure: Exposure, epoch: int, seen: MarkedFlag, permitted: Callable[[], object]
    ) -> None:
        """Serve this, if the rules are as seen; raises ChangedMeanwhile, Unreachable, Refused, or `permitted`'s."""
        config, variations = self._found(flag, seen)
        # LaunchDarkly refuses the whole patch where these are not the rules that stand there now.
        rules = self._rule_ids(seen.definition)
        unchanged = [{"kind": "reorderRules", "ruleIds": rules}] if rules else []
        wanted = changes(instructions(exposure, epoch, self.context_kind, variations), config, variations)
        permitted()
        answer = self._patch(flag, [*unchanged, *wanted], f"Tidegate, epoch {epoch}: {exposure}")
        if answer.is_good:
            return
        if self._rule_ids(self.look(flag).definition) != self._rule_ids(seen.definition):
            raise ChangedMeanwhile(f"flag {flag} was changed by somebody else in between")
        raise self._fault(flag, answer)

    def switch_off(self, flag: str) -> MarkedFlag | None:
        """Switch it off by one call that needs no reading before; raises Unreachable or Refused."""
        return self._after(flag, self._patch(flag, _OFF, "Tidegate: off for everybody", params=_WHATEVER_IS_PLANNED))

    def clear(self, flag: str, epoch: int, seen: MarkedFlag) -> MarkedFlag | None:
        """Switch it off and leave no rule of ours; raises Unreachable or Refused."""
        config, variations = self._found(flag, seen)
        # Rules on a flag that we never raised are somebody's, and stay.
        write = instructions if epoch_of(config) else switched_off
        off = write(ZERO, epoch, self.context_kind, variations)
        return self._after(
            flag, self._patch(flag, off, f"Tidegate, epoch {epoch}: off for everybody", params=_WHATEVER_IS_PLANNED)
        )

    def question(self, flag: str, wanted: Exposure | None = None) -> str:  # noqa: ARG002 - `evaluate` asks that
        """Nothing for people; raises Refused for a flag that cannot be raised safely, or Unreachable."""
        seen = self.look(flag)
        if seen.definition is None:
            raise Refused(f"{seen.reading.description}: create it there as a boolean flag")
        config, variations = self._found(flag, seen)
        if (off := config.get("offVariation")) != variations.off:
            found = "serves the new path" if off == variations.on else "is missing, so services serve their own default"
            raise Refused(f"flag {flag}: its off variation {found}. Set it to the false one before the rollout")
        for name, words in (("targets", "users"), ("contextTargets", "contexts"), ("prerequisites", "prerequisites")):
            if config.get(name):
                raise Refused(f"flag {flag}: {words} stand there one by one ({name}); remove them before the rollout")
        if count := foreign_rules(config, self.context_kind, variations):
            raise Refused(
                f"flag {flag}: {count} rules stand there that are not Tidegate's; remove them before the rollout"
            )
        # Tried without an effect: whether the token may, and whether an approval is asked for.
        self.preview(flag, ZERO)
        return ""

    def preview(self, flag: str, exposure: Exposure) -> Json:
        """The flag as LaunchDarkly would keep it with this written, without writing; raises Unreachable or Refused."""
        seen = self.look(flag)
        _, variations = self._found(flag, seen)
        wanted = instructions(exposure, max(seen.epoch, 1), self.context_kind, variations)
        answer = self._patch(flag, wanted, "Tidegate: preflight", params={"dryRun": "true"})
        if not answer.is_good or not isinstance(answer.body, dict):
            raise self._fault(flag, answer)
        return answer.body

    def evaluate(self, flag: str, exposure: Exposure, users: Sequence[tuple[str, str]], default: bool) -> list[bool]:
        """What LaunchDarkly's own SDK would answer these users (key, group), were this written."""
        from blocks.flags.launchdarkly.launchdarkly_evaluation import answers_of

        must_be_a_switch(flag, exposure)
        preview = self.preview(flag, exposure)
        return answers_of(preview, self.environment_key, self.context_kind, exposure.attribute, users, default)

    def by_hand(self, flag: str) -> str:
        """The shell command by which a person turns the flag off for everybody when Tidegate is gone."""
        body = f'{{"environmentKey":"{self.environment_key}","instructions":[{{"kind":"turnFlagOff"}}]}}'
        return (
            'curl -fsS -X PATCH -H "Authorization: $LAUNCHDARKLY_TOKEN" '
            f"-H {shlex.quote(f'Content-Type: {_SEMANTIC}')} -d {shlex.quote(body)} {shlex.quote(self._address(flag))}"
        )

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable or Refused."""
        whom = f"LaunchDarkly: environment {self.environment_key} of {self.project}"
        address = f"{self._base}/projects/{self.project}/environments/{self.environment_key}"
        answer = self.call(whom, "GET", address, headers=self._headers)
        if not answer.is_good or not isinstance(answer.body, dict):
            raise Refused(f"{whom}: it is not there (answered {answer.status})")
        required = approvals_asked_for(answer.body)
        asked = f"; it asks for approvals ({required})" if required else ""
        return f"{whom} answers{asked}"

    @property
    def _base(self) -> str:
        return f"{self.url.rstrip('/')}/api/v2"

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": self.token.get_secret_value(), "LD-API-Version": _VERSION}

    def _address(self, flag: str) -> str:
        if not _KEY.fullmatch(flag) or set(flag) == {"."}:
            allowed = "allowed are letters, digits, '.', '_' and '-', at most 256"
            raise Refused(f"found the flag {flag[:60]!r}, {allowed} (LaunchDarkly's keys)")
        return f"{self._base}/flags/{self.project}/{flag}"

    def _ask(self, flag: str, method: str, **more: Any) -> ApiAnswer:
        headers = self._headers | more.pop("headers", {})
        return self.call(f"LaunchDarkly: flag {flag}", method, self._address(flag), headers=headers, **more)

    def _patch(self, flag: str, wanted: Iterable[Json], comment: str, **more: Any) -> ApiAnswer:
        body = {"environmentKey": self.environment_key, "comment": comment, "instructions": list(wanted)}
        return self._ask(flag, "PATCH", body=body, headers={"Content-Type": _SEMANTIC}, **more)

    def _after(self, flag: str, answer: ApiAnswer) -> MarkedFlag | None:
        if not answer.is_good:
            raise self._fault(flag, answer)
        # Where the answer is no flag, the reading after it tells.
        try:
            return self._seen(flag, answer.body, name_actor=False)
        except Refused:
            return None

    def _fault(self, flag: str, answer: ApiAnswer) -> ConnectionFault:
        said = f" ({answer.said})" if answer.said else ""
        match answer.status:
            case 404:
                return Refused(f"flag {flag} is not in the project {self.project} of LaunchDarkly{said}")
            case 405:
                return Refused(f"flag {flag}: {_NEEDS_APPROVAL.format(self.environment_key)}{said}")
            case 409:
                return Unreachable(f"flag {flag}: LaunchDarkly was busy with another change of it (409){said}")
            case _:
                return Refused(f"flag {flag}: LaunchDarkly answered {answer.status}{said}")

    def _seen(self, flag: str, body: Any, *, name_actor: bool) -> MarkedFlag:
        config, variations = self._parts(flag, body)
        reading = recognise(config, self.context_kind, variations)
        epoch = epoch_of(config)
        if name_actor and (reading.exposure is None or (epoch and reading.exposure != stored_exposure(config))):
            actor = self._actor(flag, (body.get("_version"), config.get("version")))
            words = f"{reading.description}{actor}"
            reading = FlagReading(reading.exposure, reading.revision, words)
        return MarkedFlag(reading, epoch, body, is_tidy(config, self.context_kind, variations))

    def _found(self, flag: str, seen: MarkedFlag) -> tuple[Json, Variations]:
        if seen.definition is None:
            raise Refused(f"{seen.reading.description}: create it there as a boolean flag")
        return self._parts(flag, seen.definition)

    def _parts(self, flag: str, body: Any) -> tuple[Json, Variations]:
        environments = body.get("environments") if isinstance(body, dict) else None
        config = environments.get(self.environment_key) if isinstance(environments, dict) else None
        if not isinstance(config, dict):
            raise Refused(f"flag {flag}: the answer has no environment {self.environment_key}")
        variations = variations_of(body)
        if variations is None:
            raise Refused(f"flag {flag}: found variations other than true and false, allowed are boolean flags")
        if config.get("archived") or body.get("archived"):
            raise Refused(f"flag {flag} is archived in LaunchDarkly")
        return config, variations

    def _rule_ids(self, body: Any) -> list[str]:
        config = (body or {}).get("environments", {}).get(self.environment_key)
        rules = config.get("rules") or [] if isinstance(config, dict) else []
        return [str(rule["_id"]) for rule in rules if isinstance(rule, dict) and rule.get("_id")]

    def _actor(self, flag: str, version: object) -> str:
        """Who changed it last, by LaunchDarkly's audit log; asked once a version, and nothing depends on it."""
        known = self._actors.get(flag)
        if known is not None and known[0] == version:
            return known[1]
        spec = f"proj/{self.project}:env/{self.environment_key}:flag/{flag}"
        try:
            answer = self.call(
                f"LaunchDarkly: audit log of {flag}",
                "GET",
                f"{self._base}/auditlog",
                headers=self._headers,
                params={"spec": spec, "limit": "5"},
            )
            words = last_change(answer.body)
        except ConnectionFault:
            return ""  # asked again at the next look
        self._actors[flag] = (version, words)
        return words
