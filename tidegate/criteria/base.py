"""What every kind of criterion is: its fields, what it asks, how it judges, what it says, and when it decides."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BeforeValidator, Field, JsonValue, WithJsonSchema

from tidegate.criteria.comparisons.cohort_labels import CohortLabels
from tidegate.criteria.comparisons.counts import Counted, Series
from tidegate.criteria.comparisons.findable import Findable
from tidegate.criteria.context import Context
from tidegate.criteria.metrics.queries import Breach
from tidegate.criteria.plan_facts import PlanFacts
from tidegate.criteria.requests import Answers, MetricNow, Request
from tidegate.criteria.stances import Stance
from tidegate.statistics.ratio_interval import RatioBounds
from tidegate.statistics.sequential import Counts
from tidegate.values.model import Contradiction, Model, Name, Switch, Text
from tidegate.values.samples import Reading
from tidegate.values.units import Unit
from tidegate.values.verdict import Finding

# A finding, and what must last (see `sustained`) before a trigger that found a breach really fires.
Judgement = tuple[Finding, Breach | None]


class When(StrEnum):
    """What a criterion decides: the gate before its wave, leaving its wave, or a rollback."""

    ENTER = "enter"
    DURING = "during"
    TRIGGER = "trigger"


LASTING = (
    "A trigger fires after this long, and never before it has lasted for a whole window of its metric; "
    "0s: the first time that it is seen."
)
# As the reference has it: what a trigger without `for` waits for is not nothing.
ONE_WINDOW: dict[str, JsonValue] = {"x-if-absent": "the metric's `window`"}
LOG_EVIDENCE = "log evidence"


class EvidenceCourse(NamedTuple):
    """The course of what is judged from counts: its unit, values by the ends of the ticks, and its bound.

    Of two paths also how many times as bad the new one was, in the present stay.
    """

    unit: str
    course: Sequence[tuple[float, float]]
    bound: float
    ratios: Sequence[RatioBounds] = ()


def _listed(when: object) -> object:
    return (when,) if isinstance(when, str) else when


_WORDS = [x.value for x in When]
Whens = Annotated[
    tuple[When, ...],
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [{"enum": _WORDS}, {"type": "array", "items": {"enum": _WORDS}, "minItems": 1}]}),
]


class BaseCriterion(Model):
    """What every kind of criterion has; a kind states `kind`, `example`, and the first four of these methods.

    All of them are pure: `judge` knows what its requests were answered and nothing else, and whatever is raised there
    is an ERROR.
    """

    example: ClassVar[str] = ""  # of YAML, with comments
    critical_alerts: ClassVar[Literal["", "firing", "new"]] = ""  # which alerts its FAIL says there are

    text: Text = Field(description="The line of the release plan.")
    id: Name | None = Field(default=None, description="Stable name; derived from wave and position when absent.")
    when: Whens = Field(
        min_length=1,
        description="What it decides: enter (the gate before its wave), during (leaving its wave), trigger (rollback).",
    )
    dry_run: Switch = Field(default=False, description="Measured and shown, never decisive.")
    ease: Switch | None = Field(
        default=None,
        description="Of a trigger that is no emergency: it takes exposure back by the steps of `rollback.ease`.",
    )

    if TYPE_CHECKING:

        @property
        def kind(self) -> Any:
            """The word that tells it from other kinds; a field with one allowed word in each of them."""

    def contradictions(self) -> Iterator[Contradiction]:
        """The same moment twice, or a trigger that is something else as well."""
        if len(set(self.when)) < len(self.when):
            yield ("when",), f"found {', '.join(self.when)}, allowed is each word once"
        elif When.TRIGGER in self.when and len(self.when) > 1:
            yield ("when",), f"found {', '.join(self.when)}, allowed is trigger alone (it states what must not be)"
        if self.ease and self.when != (When.TRIGGER,):
            yield ("ease",), f"found true for {', '.join(self.when)}, allowed is it of a trigger"

    # What each kind states.

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """Everything that `judge` may ask there."""
        raise NotImplementedError

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """The finding, and for a trigger on a metric the breach that must last; no data is never a PASS."""
        raise NotImplementedError

    def sentence(self, plan: PlanFacts) -> str:
        """What is asked, from its fields: `Error Rate below 5%`."""
        raise NotImplementedError

    def in_backtest(self, at: Context) -> Stance:
        """How it is replayed, or why it is not."""
        raise NotImplementedError

    # What a kind states where it differs.

    def problems(self, plan: PlanFacts, number: int) -> Iterator[Contradiction]:
        """What contradicts the rest of the plan, by the field's path; `number` counts waves from 0."""
        yield from ()

    @property
    def metrics_judged(self) -> tuple[str, ...]:
        """The plan's metrics that it is about; once the series of one ended or stand still, nothing passes."""
        named = getattr(self, "metrics", None) or (getattr(self, "metric", None) or "",)
        return tuple(name for name in named if name)

    @property
    def histograms_judged(self) -> tuple[str, ...]:
        """The histograms, without _bucket, that it counts slow requests of."""
        return ()

    @property
    def bounds_judged(self) -> tuple[str, ...]:
        """The bounds of its histogram, in order."""
        return ()

    @property
    def earlier_waves(self) -> tuple[int, ...]:
        """The waves whose `during` criteria it stands for."""
        return ()

    @property
    def role_asked(self) -> str | None:
        """Whose statement answers it, in the gate's form; None where a machine does."""
        return None

    @property
    def by_people(self) -> bool:
        """Whether a person answers it."""
        return self.role_asked is not None

    @property
    def pending_kind(self) -> str | None:
        """The kind of check that people stand in for until it exists."""
        return None

    @property
    def sends_as(self) -> tuple[str, ...]:
        """Groups of the flag's always_off that it sends requests as, which are no customers."""
        return ()

    @property
    def cohorts_by_wave(self) -> dict[str, CohortLabels]:
        """The labels of who is on each path, by wave."""
        return {}

    @property
    def alpha_weight(self) -> float | None:
        """Its part of the chance that the plan's comparisons stop a healthy release; None where it takes none."""
        return None

    @property
    def required_to_decide(self) -> bool:
        """Whether the plan waits for what it must show, so that what can never be shown is refused in preflight."""
        return False

    def chances(self, plan: PlanFacts) -> tuple[float, float] | None:
        """How often it may ever hold, and roll back, a healthy rollout, in percent; None where it states no chance."""
        return None

    def series_compared(self, plan: PlanFacts) -> Sequence[Series]:
        """What is counted on both sides, where the two paths are compared by counts."""
        return ()

    def findable(self, at: Context, weeks: Sequence[Sequence[Counts]], seconds: float) -> Findable | None:
        """What it can find in that wave at the traffic of last week, counted in ticks of so many seconds."""
        return None

    @property
    def own_queries(self) -> tuple[str, ...]:
        """PromQL that stands in the criterion itself and selects series which must exist."""
        return ()

    def preflight_requests(self, plan: PlanFacts) -> Sequence[Request[Any]]:
        """What preflight asks of its source once, before anything depends on it; nothing is sent but questions."""
        return ()

    def lasts(self, plan: PlanFacts) -> tuple[timedelta | None, timedelta] | None:
        """Of a trigger that must last: its `for`, and the window that stands in for it; None for any other."""
        return None

    def bound_on(self, metric: str) -> tuple[str, str] | None:
        """`above` or `below` and the fixed bound that it puts on this metric, in the metric's unit."""
        return None

    def holds_for_people(self, finding: Finding) -> bool:
        """Whether this is evidence that holds the wave and never clears by itself, so that people must act."""
        return False

    def unseen_breach(self, at: Context) -> Breach | None:
        """What its trigger is held against where nobody looked and no present breach tells."""
        return None

    def breached_value(self, at: Context, answers: Answers) -> Reading:
        """What the breach's query says there; a back-test holds this against the breach's bound."""
        return answers[MetricNow(self.metrics_judged[0])]

    def scale(self, plan: PlanFacts) -> tuple[Unit | None, float | None]:
        """What its observed value is measured in and the bound it is held against, for a chart."""
        return None, None

    def evidence(self, at: Context, counted: Sequence[Counted]) -> EvidenceCourse | None:
        """Of what is judged from counts: how it came about, tick by tick."""
        return None
