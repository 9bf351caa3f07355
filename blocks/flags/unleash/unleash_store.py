"""Feature flags in Unleash, by its admin API. Needs no Prefect."""

import logging
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import Field, field_validator

from blocks.calls.bounded import all_within
from blocks.errors import ConnectionFault, Refused
from blocks.flags.backend import FlagReading
from blocks.flags.marked_store import MarkedFlag, MarkedStore, must_be_a_switch
from blocks.flags.unleash.unleash_api import UnleashApi
from blocks.flags.unleash.unleash_evaluation import is_on
from blocks.flags.unleash.unleash_reading import Environment, environment_of, foreign, reading_of
from blocks.flags.unleash.unleash_rules import epoch_of, inexpressible, render, stored_exposure
from tidegate.values.exposure import ZERO, Exposure

_MISSING = "missing"
_log = logging.getLogger("tidegate.flags")


class UnleashStore(MarkedStore, UnleashApi):
    """Feature flags of one Unleash project and environment.

    Each epoch has strategies of its own, made when the flag is taken over while the older ones are deleted: what a
    writer that has lost still sends goes to strategies that are no longer there.
    """

    writes_by: ClassVar[str] = "PUT"
    # Limited are log-ins, new users, password resets, signals and SDKs' metrics (its `lib/create-config.js`, 7.5.1).
    rate_limit: ClassVar[str] = "Unleash's own server limits no calls about flags"
    most_an_hour: ClassVar[int | None] = None

    stickiness: str = Field(
        default="userId",
        description="The context field that shares users out; the same for all waves, and never random.",
        pattern=r"^[A-Za-z0-9_.~-]+$",
    )
    timeout_seconds: float = Field(default=5, gt=0, description="How long one call may take in all.")
    propagation_seconds: float = Field(
        default=20, ge=0, description="How long until every SDK has asked again: its refresh interval and 5 s."
    )

    @field_validator("stickiness")
    @classmethod
    def _keeps_users(cls, stickiness: str) -> str:
        if stickiness in ("random", "default"):
            raise ValueError("allowed is a context field: by chance, nobody would keep their path")
        return stickiness

    def look(self, flag: str, seconds: float | None = None) -> MarkedFlag:
        """The flag as it stands there; raises Unreachable or Refused."""
        body = self.feature(flag, seconds)
        if body is None:
            return MarkedFlag(FlagReading(ZERO, _MISSING, f"flag {flag} is not in the project {self.project}"), 0)
        found = environment_of(flag, body, self.environment_name)
        reading = reading_of(found, self.stickiness)
        stored = stored_exposure(found.newest[0]) if found.newest else None
        if reading.exposure is None or (stored is not None and reading.exposure != stored):
            reading = replace(reading, description=f"{reading.description}{self.actor(flag, reading.revision)}")
        is_left = found.enabled or any(strategy not in found.newest for strategy in found.mine)
        return MarkedFlag(reading, found.epoch, found, is_tidy=stored == ZERO and not is_left)

    def serve(
        self, flag: str, exposure: Exposure, epoch: int, seen: MarkedFlag, permitted: Callable[[], object]
    ) -> None:
        """Serve this, through strategies of this epoch; `permitted` is asked before the first call and before `on`.

        Raises ChangedMeanwhile, Unreachable, Refused, or what `permitted` does.
        """
        found = _found(seen)
        if not exposure.is_zero:
            self._must_be_possible(flag, exposure, found)
        with all_within(self.timeout_seconds):
            if exposure.is_zero and found.enabled:
                self.switch(flag, "off")
            permitted()
            self._put_strategies(flag, exposure, epoch, found)
            if not exposure.is_zero and not found.enabled:
                permitted()
                self.switch(flag, "on")

    def switch_off(self, flag: str) -> MarkedFlag | None:
        """Switch the environment off, with what it would serve left as it is; raises Unreachable or Refused."""
        self.switch(flag, "off")
        return self.look(flag)

    def clear(self, flag: str, epoch: int, seen: MarkedFlag) -> MarkedFlag | None:
        """Switch it off, then leave 0 % to whoever switches it on again; raises Unreachable or Refused."""
        self.switch(flag, "off")
        try:
            with all_within(self.timeout_seconds):
                self._put_strategies(flag, ZERO, epoch, _found(seen))
        except ConnectionFault as fault:
            # Nobody is served; the next guard check finds the older epoch and tries again.
            _log.warning("flag %s is off, and its percent could not be set to 0: %s", flag, fault)
        return None

    def set_back(self, flag: str, allowed: Exposure, epoch: int) -> tuple[FlagReading, FlagReading | None]:
        """As the protocol says; strategies that an older epoch has added beside ours are deleted."""
        seen = self.look(flag)
        if 0 < seen.epoch < epoch:
            return super().set_back(flag, allowed, epoch)
        late = [one for one in _found(seen).mine if epoch_of(one) < epoch] if seen.epoch == epoch else []
        if not late:
            return seen.reading, None
        for strategy in late:
            self.delete_strategy(flag, strategy)
        now = self.look(flag).reading
        return now, seen.reading if now.exposure != seen.reading.exposure else None

    def question(self, flag: str, wanted: Exposure | None = None) -> str:  # noqa: ARG002 - `evaluate` asks that
        """Nothing for people; raises Refused for a flag that cannot be raised safely, or Unreachable."""
        found = _found(self.look(flag))
        if found.parents:
            names = ", ".join(found.parents)
            raise Refused(f"flag {flag} depends on {names}, which decides too who gets it: remove the dependency")
        self._must_be_possible(flag, ZERO, found)
        self.try_to_write(flag, render(flag, ZERO, 1, self.stickiness)[0])
        return ""

    def evaluate(self, flag: str, exposure: Exposure, users: Sequence[tuple[str, str]], default: bool) -> list[bool]:  # noqa: ARG002
        """What Unleash's SDKs would answer these users (key, group), were this written; raises Unreachable or Refused.

        The default of the code is asked for only where there is no such flag. A zero is evaluated as somebody would
        find it who switches it on again.
        """
        must_be_a_switch(flag, exposure)
        self._must_be_possible(flag, exposure, _found(self.look(flag)))
        strategies = render(flag, exposure, 1, self.stickiness)
        return [is_on(strategies, {exposure.attribute: group, self.stickiness: user}) for user, group in users]

    def by_hand(self, flag: str) -> str:
        """The shell command by which a person turns the flag off for everybody when Tidegate is gone."""
        return f'curl -fsS -X POST -H "Authorization: $UNLEASH_TOKEN" {shlex.quote(self.address(flag, "off"))}'

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable or Refused."""
        return self.found(render("tidegate-check", ZERO, 1, self.stickiness)[0])

    def _must_be_possible(self, flag: str, exposure: Exposure, found: Environment) -> None:
        if why := inexpressible(exposure):
            raise Refused(f"flag {flag}: {why}")
        if others := foreign(found.strategies):
            raise Refused(
                f"flag {flag}: strategies stand in {self.environment_name} that Tidegate did not write ({others}), and "
                "who matches one of them is in. Delete or disable them before the rollout"
            )

    def _put_strategies(self, flag: str, exposure: Exposure, epoch: int, found: Environment) -> None:
        """These strategies and no older ones; first one that is there already, which fails once the epoch has lost."""
        wanted = render(flag, exposure, epoch, self.stickiness)
        mine = [strategy for strategy in found.mine if epoch_of(strategy) == epoch]
        for strategy, body in zip(mine, wanted, strict=False):
            self.put_strategy(flag, strategy, body)
        for body in wanted[len(mine) :]:
            self.add_strategy(flag, body)
        for strategy in (*mine[len(wanted) :], *(one for one in found.mine if epoch_of(one) < epoch)):
            self.delete_strategy(flag, strategy)


def _found(seen: MarkedFlag) -> Environment:
    if seen.definition is None:
        raise Refused(f"{seen.reading.description}: create it there")
    found: Environment = seen.definition
    return found
