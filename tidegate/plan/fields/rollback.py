"""The rollback as a plan states it: its proof, and the steps for when the flag does not take, by `step`."""

import json
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict, StringConstraints, model_serializer

from tidegate.criteria.external.known_requests import HeaderName, HeaderText
from tidegate.values.model import Contradiction, FixedQuery, Model, Name, Text, Whole
from tidegate.values.units import Percent, PositiveDuration, format_percent


class Mode(StrEnum):
    """Whether a step of the full rollback is done at once, or only when somebody confirms it."""

    AUTOMATIC = "automatic"
    ASK = "ask"


class BaseStep(Model):
    """What every step that a machine does has."""

    text: Text = Field(description="The line of the release plan.")
    timeout: PositiveDuration = Field(default=timedelta(seconds=60), description="How long it may take.")


class LoadBalancer(BaseStep):
    """All traffic goes to legacy, whatever the flag says; only after legacy was seen healthy."""

    step: Literal["load_balancer"]
    mode: Mode = Field(default=Mode.AUTOMATIC, description="Done at once, or asked for.")


class StopService(BaseStep):
    """The new service is stopped."""

    step: Literal["stop_service"]
    command: Name = Field(description="The command's name in the commands connection.")
    mode: Mode = Field(default=Mode.AUTOMATIC, description="Done at once, or asked for.")


class FlushCache(BaseStep):
    """What the new path has cached is dropped: one stated database, or the keys of one prefix."""

    step: Literal["flush_cache"]
    database: Whole | None = Field(default=None, ge=0, le=1_000, description="The database's number; or prefix.")
    prefix: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        default=None, description="How the keys begin; or database."
    )
    mode: Mode = Field(default=Mode.ASK, description="Done at once, or asked for.")

    def contradictions(self) -> Iterator[Contradiction]:
        """Nothing stated, or two things: everything is never flushed by leaving something out."""
        if (self.database is None) == (self.prefix is None):
            found = "neither" if self.database is None else "database and prefix"
            yield (), f"found {found}, allowed is exactly one of database or prefix"


class Restore(BaseStep):
    """The snapshot that was recorded before wave 1 is restored; the command gets it as {snapshot}."""

    step: Literal["restore"]
    command: Name = Field(description="The command's name in the commands connection.")
    loses: Text = Field(
        default="Everything that was written since the snapshot is lost.",
        description="What restoring costs; shown where it is asked for.",
    )
    mode: Mode = Field(default=Mode.ASK, description="Done at once, or asked for.")


class Health(Model):
    """How legacy says that it is well."""

    source: Name = Field(description="The source's name in the web connection.")
    status: Whole = Field(default=200, ge=100, le=599, description="The HTTP status of a healthy answer.")
    pointer: Annotated[str, StringConstraints(pattern=r"^/", max_length=200)] | None = Field(
        default=None, description="JSON pointer into the answer, such as /status; needs equals."
    )
    equals: Text | None = Field(default=None, description="What stands there when legacy is healthy.")

    def contradictions(self) -> Iterator[Contradiction]:
        """A place without a value, or a value without a place."""
        if (self.pointer is None) != (self.equals is None):
            found, other = ("pointer", "equals") if self.equals is None else ("equals", "pointer")
            yield (found,), f"found without {other}, allowed are both or neither"


class LegacyReady(Health):
    """How legacy says that it could take everybody back: watched while everybody is exposed."""


class VerifyLegacy(Health, BaseStep):
    """Legacy is asked whether it is healthy; looked at before traffic is moved, too."""

    step: Literal["verify_legacy"]
    timeout: PositiveDuration = Field(default=timedelta(seconds=10), description="How long it may take.")
    mode: Literal[Mode.AUTOMATIC] = Field(default=Mode.AUTOMATIC, description="Always automatic: it changes nothing.")


class ByHand(Model):
    """A step that people do; a plain text is one."""

    step: Literal["by_hand"]
    text: Text = Field(description="The line of the release plan.")

    @model_serializer
    def _as_written(self) -> str:
        # A plan that was stored before steps had kinds keeps its hash.
        return self.text


def _said(step: object) -> object:
    return {"step": "by_hand", "text": step} if isinstance(step, str) else step


MachineStep = LoadBalancer | StopService | FlushCache | Restore | VerifyLegacy
RollbackStep = Annotated[
    Annotated[MachineStep | ByHand, Field(discriminator="step", description="One step.")], BeforeValidator(_said)
]


class Proof(Model):
    """How a rollback is proven: the counter of routing decisions to the new path stands still."""

    counter: FixedQuery = Field(description="PromQL giving the running total of requests routed to the new path.")
    quiet: PositiveDuration = Field(default=timedelta(seconds=5), description="How long it must not move.")


def _json(text: str) -> str:
    try:
        json.loads(text)
    except ValueError as error:
        raise ValueError(f"found {text[:60]!r}, allowed is JSON") from error
    return text


class Drill(Model):
    """How the rollback is practised: the real key and counter, for a group of synthetic users only."""

    group: HeaderText = Field(default="drill", description="The group of synthetic users; no audience may hold it.")
    source: Name = Field(description="The source in the web connection that takes their requests.")
    body: Annotated[Text, AfterValidator(_json)] = Field(default="{}", description="What each request posts, as JSON.")
    user_header: HeaderName = Field(default="x-user-id", description="The header that names a user.")
    group_header: HeaderName = Field(default="x-user-group", description="The header that names a user's group.")
    interval: PositiveDuration = Field(default=timedelta(seconds=1), description="Time between two requests.")


class PublicWords(Model):
    """What customers read on the status page when the rollback is taken."""

    title: Text = Field(description="The incident's title.")
    begun: Text = Field(description="What is said when the flag was ordered to zero.")
    over: Text = Field(description="What is said once that is proven.")


class PostMortem(Model):
    """The meeting after a rollback."""

    role: Name = Field(description="The role whose people call it.")
    within: PositiveDuration = Field(default=timedelta(days=5), description="How soon it has to be held.")


class Capacity(Model):
    """What the old path has to carry everybody with, such as its instances."""

    query: FixedQuery = Field(description="PromQL giving what there is of it now.")
    at_least: Annotated[float, Strict(), Field(gt=0, allow_inf_nan=False)] = Field(
        description="How much of it everybody needs."
    )


class Rollback(Model):
    """The rollback."""

    proof: Proof = Field(description="How it is proven.")
    within: PositiveDuration = Field(default=timedelta(seconds=30), description="The promised time, proof included.")
    step_back: bool = Field(
        default=False, description="Whether people may lower exposure to an earlier wave instead of zero."
    )
    ease: tuple[Percent, ...] | None = Field(
        default=None,
        description="The shares, falling to 0%, by which triggers marked `ease: true` take exposure back.",
    )
    over: PositiveDuration | None = Field(
        default=None, description="From that order to zero, in real time at any pace; twice as long at most."
    )
    capacity: Capacity | None = Field(
        default=None, description="What the old path needs for everybody: asked before wave 1, and while easing."
    )
    snapshot: Name | None = Field(
        default=None, description="The command that prints the snapshot's name; asked before wave 1, for restore."
    )
    full: tuple[RollbackStep, ...] = Field(default=(), description="Steps when the flag does not take, in order.")
    legacy_ready: LegacyReady | None = Field(
        default=None, description="Watched while everybody is exposed; while it says no, a rollback asks first."
    )
    drill: Drill | None = Field(default=None, description="How it is practised; without, there are no drills.")
    status_page: PublicWords | None = Field(
        default=None, description="Posted where there is a status page among the connections."
    )
    stakeholders: tuple[Name, ...] = Field(default=(), description="Roles whose people have it by mail, too.")
    post_mortem: PostMortem | None = Field(default=None, description="Who calls the meeting; notified once proven.")
    communication: tuple[Text, ...] = Field(default=(), description="Who is notified, and how.")

    def contradictions(self) -> Iterator[Contradiction]:
        """A restore of nothing, and traffic moved to a legacy that nobody looks at."""
        yield from self._ease_contradictions()
        kinds = {step.step for step in self.full}
        if "restore" in kinds and self.snapshot is None:
            yield ("snapshot",), "missing, allowed is the name of the command that prints what restore needs"
        if "load_balancer" in kinds and "verify_legacy" not in kinds:
            yield ("full",), "found load_balancer without verify_legacy, allowed are both (legacy is looked at first)"

    def _ease_contradictions(self) -> Iterator[Contradiction]:
        if (self.ease is None) != (self.over is None):
            found, other = ("over", "ease") if self.ease is None else ("ease", "over")
            yield (found,), f"found without {other}, allowed are both or neither"
        if self.ease is not None:
            falls = all(later < before for before, later in pairwise(self.ease))
            if len(self.ease) < 2 or not falls or self.ease[-1] != 0:
                found = ", ".join(map(format_percent, self.ease)) or "nothing"
                yield ("ease",), f"found {found}, allowed are shares that fall, the last of them 0%"

    @property
    def health(self) -> VerifyLegacy | None:
        """The step that says whether legacy is healthy."""
        return next((step for step in self.full if isinstance(step, VerifyLegacy)), None)


def step_json(step: RollbackStep) -> dict[str, Any]:
    """A step's kind and line, as entries and pages name it."""
    return {"step": step.step, "text": step.text}
