"""The kinds of criteria that ask something other than Prometheus: web sources, known requests, a test alarm."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StringConstraints

from tidegate.criteria.base import BaseCriterion, When
from tidegate.values.json_pointer import POINTER
from tidegate.values.model import Contradiction, FixedQuery, Model, Name
from tidegate.values.units import Bound, PositiveDuration, Unit, format_duration, quantity_in

if TYPE_CHECKING:
    from tidegate.plan.model import Plan

LONGEST_SILENCE = timedelta(seconds=3)

Pointer = Annotated[str, StringConstraints(pattern=POINTER, max_length=500)]
# One slash, so that a path can never name another host; nothing a request line could be broken with.
Path = Annotated[str, StringConstraints(pattern=r"^/([A-Za-z0-9._~?=&%+,-][A-Za-z0-9._~?=&%+,/-]*)?$", max_length=500)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,62}$")]
HeaderText = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]
_SECRET_HEADERS = ("authorization", "cookie", "proxy-authorization")


class _Figure(BaseCriterion):
    """A number held against one bound: enter and during state what must hold, a trigger states what must not."""

    below: Bound | None = Field(default=None, description="The bound, in the figure's unit; or above.")
    above: Bound | None = Field(default=None, description="The bound, in the figure's unit; or below.")

    def contradictions(self) -> Iterator[Contradiction]:
        """More or less than one bound, or one in another unit."""
        yield from super().contradictions()
        if (self.below is None) == (self.above is None):
            found = "no bound" if self.below is None else "below and above"
            yield (), f"found {found}, allowed is exactly one of below or above"
        for side in ("below", "above"):
            bound = getattr(self, side)
            if bound is not None:
                try:
                    quantity_in(bound, self.unit)
                except ValueError as error:
                    yield (side,), str(error).replace("the metric's unit", "the unit")

    @property
    def unit(self) -> Unit:
        """What its number means."""
        raise NotImplementedError


class Count(_Figure):
    """A number of incidents, escalations or issues that a named web source counts; judged at each look, at once.

    There is no past to hold it against, so a trigger fires at the first answer beyond its bound.
    """

    kind: Literal["count"]
    source: Name = Field(description="The web source's name in the connections.")
    pointer: Pointer = Field(description="Where the number stands in its JSON answer (RFC 6901), e.g. /open.")

    @property
    def unit(self) -> Unit:
        """Bare numbers."""
        return Unit.COUNT


class Cost(_Figure):
    """The projected monthly cost: of the plan's `costs`; or told by a web source, or of one query and its price."""

    kind: Literal["cost"]
    source: Name | None = Field(default=None, description="The web source's name; without any, the plan's costs.")
    pointer: Pointer | None = Field(default=None, description="Where the cost stands in its JSON answer; with source.")
    query: FixedQuery | None = Field(default=None, description="PromQL giving the number of priced units, with price.")
    price: Bound | None = Field(default=None, description="What one of them costs a month, e.g. $30.37; with query.")

    def contradictions(self) -> Iterator[Contradiction]:
        """Two ways of knowing the cost, or half of one."""
        yield from super().contradictions()
        asked, worked_out = (self.source, self.pointer), (self.query, self.price)
        found = [name for name in ("source", "pointer", "query", "price") if getattr(self, name) is not None]
        told = None not in asked and worked_out == (None, None)
        priced = None not in worked_out and asked == (None, None)
        if found and not told and not priced:
            words = " and ".join(found)
            yield (), f"found {words}, allowed are none (the plan's costs), source and pointer, or query and price"
        if self.price is not None:
            try:
                if quantity_in(self.price, Unit.US_DOLLARS) <= 0:
                    yield ("price",), f"found {self.price}, allowed is a price above $0"
            except ValueError:
                yield ("price",), f"found {self.price!r}, allowed is an amount such as $30.37"

    @property
    def is_of_the_plan(self) -> bool:
        """Whether the plan's own cost model is asked."""
        return self.source is None and self.query is None

    @property
    def unit(self) -> Unit:
        """US dollars a month."""
        return Unit.US_DOLLARS


class Caller(Model):
    """Who a known request says it comes from."""

    user: HeaderText = Field(description="The user's name, as the service is told it.")
    group: HeaderText = Field(description="The user's group, as the flag knows it.")


class Synthetic(BaseCriterion):
    """Known requests with known answers, sent at each look as a user of the new path and as one of the old.

    Right answers are good for half a minute to a minute, others are asked again. A wrong answer on the new path is
    corruption; silence there while the old path answers is an outage.
    """

    kind: Literal["synthetic"]
    source: Name = Field(description="The service's name among the web sources in the connections.")
    known: Path = Field(description="Where it lists the known requests: a JSON list of {id, body, answer}.")
    send: Path = Field(description="Where each body is sent with POST.")
    new: Caller = Field(description="A user who is on the new path in every wave; the group stands in flag.always_on.")
    legacy: Caller = Field(description="A user who stays on the old path; the group stands in flag.always_off.")
    user_header: HeaderName = Field(default="x-user-id", description="The request header that names the user.")
    group_header: HeaderName = Field(default="x-user-group", description="The request header that names the group.")
    path_header: HeaderName = Field(default="x-path", description="The answer's header that says which path it took.")
    new_path: HeaderText = Field(default="new", description="What that header says on the new path.")
    legacy_path: HeaderText = Field(default="legacy", description="What that header says on the old path.")
    patience: PositiveDuration = Field(
        default=timedelta(seconds=2), description="Longer than this is no answer; 1s to 3s, asked twice."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """A moment before the wave, a patience that holds up the guard, callers or paths that are one."""
        yield from super().contradictions()
        if When.ENTER in self.when:
            yield ("when",), f"found {', '.join(self.when)}, allowed for synthetic are during and trigger"
        if not timedelta(seconds=1) <= self.patience <= LONGEST_SILENCE:
            found = format_duration(self.patience)
            yield ("patience",), f"found {found}, allowed is 1s to {format_duration(LONGEST_SILENCE)}"
        if self.new.group == self.legacy.group:
            yield ("legacy", "group"), f"found {self.legacy.group!r} (as in new), allowed is another group"
        if self.new_path == self.legacy_path:
            yield ("legacy_path",), f"found {self.legacy_path!r} (as in new_path), allowed is another word"
        for name in ("user_header", "group_header"):
            if getattr(self, name).lower() in _SECRET_HEADERS:
                yield (name,), f"found {getattr(self, name)}, allowed is a header without secrets"


class AlarmTest(BaseCriterion):
    """The alert rules pass their own tests, and a test alarm really arrives; done once, then valid for a while."""

    kind: Literal["alarm_test"]
    rules: Name = Field(description="The command's name in the connections that tests the alert rules.")
    reaches: tuple[Literal["slack", "pagerduty"], ...] = Field(
        default=("slack", "pagerduty"), min_length=1, description="Where the test alarm has to arrive."
    )
    fresh: PositiveDuration = Field(
        default=timedelta(hours=24), description="How long a passed test counts; never shrunk by a pace."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """Another moment than the gate; the same way twice."""
        yield from super().contradictions()
        if self.when != (When.ENTER,):
            yield ("when",), f"found {', '.join(self.when)}, allowed for alarm_test is enter (it sends a test alarm)"
        if len(set(self.reaches)) < len(self.reaches):
            yield ("reaches",), f"found {', '.join(self.reaches)}, allowed is each word once"


def customers_held_out(plan: "Plan") -> tuple[str, ...]:
    """The groups of the flag's always_off that are a control; senders of known requests alone are none."""
    asked = (c for step in (*plan.waves, plan.post_rollout) for c in step.criteria)
    senders = {c.legacy.group for c in asked if isinstance(c, Synthetic)}
    return tuple(group for group in plan.flag.always_off if group not in senders)


def outside_sentence(criterion: Count | Cost | Synthetic | AlarmTest) -> str:
    """What is asked, from the criterion's fields: `the count at /open of escalations above 5`."""
    match criterion:
        case Count():
            return f"the count at {criterion.pointer or 'the top'} of {criterion.source} {bound_words(criterion)}"
        case Cost(source=None, query=None):
            return f"the projected monthly cost of the plan's cost model {bound_words(criterion)}"
        case Cost(source=None):
            return f"({criterion.query}) at {criterion.price} each a month, {bound_words(criterion)}"
        case Cost():
            where = criterion.pointer or "the top"
            return f"the monthly cost at {where} of {criterion.source} {bound_words(criterion)}"
        case Synthetic():
            wrong = "are answered wrongly or not at all" if When.TRIGGER in criterion.when else "are answered rightly"
            return f"known requests to {criterion.source} {wrong} on the new path"
        case AlarmTest():
            ways = " and ".join(criterion.reaches)
            fresh = format_duration(criterion.fresh)
            return f"{criterion.rules} passes and a test alarm arrives by {ways}, at most {fresh} ago"


def bound_words(figure: Count | Cost) -> str:
    """`above 5`, `below $300`."""
    side, bound = ("above", figure.above) if figure.below is None else ("below", figure.below)
    return f"{side} {figure.unit.format(quantity_in(bound or '', figure.unit))}"
