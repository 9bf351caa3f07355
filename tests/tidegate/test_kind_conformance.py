"""What every kind of criterion in the registry must promise, whoever wrote it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Literal, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tests.tidegate.builders import PLAN, T0, TIMING
from tidegate.criteria import requests as asks
from tidegate.criteria.base import BaseCriterion, When
from tidegate.criteria.comparisons.counts import Counted
from tidegate.criteria.context import Context
from tidegate.criteria.external.known_requests import Probed, ProbeResult, Reply
from tidegate.criteria.kinds import CRITERION_KINDS, Criterion
from tidegate.criteria.metrics.threshold import Threshold
from tidegate.criteria.registration import kind_word, whole
from tidegate.criteria.stances import NotReplayed, Stance
from tidegate.journal.records import TestRecord as AlarmRecord
from tidegate.plan.model import Plan
from tidegate.statistics.cohorts import UNKNOWN_NOTHING
from tidegate.statistics.sequential import Counts, WaveCounts
from tidegate.values.samples import AlertReading, NoData, NoDataReason, Reading, Sample
from tidegate.values.verdict import Finding, Verdict

READ: TypeAdapter[Any] = TypeAdapter(Criterion)
DAY = timedelta(days=1)
ORDER = (Verdict.NOT_APPLICABLE, Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL)
# What a kind's example names becomes what the small plan has.
NAMES = {"error_rate": "errors", "success_rate": "errors", "p95_latency": "latency", "cpu_usage": "latency"}
OWN: dict[str, dict[str, Any]] = {"trend": {"metrics": {"latency": "10ms"}}, "slo": {"part": "bad"}}


def example(kind: str, **changes: Any) -> Any:
    """The kind's own example, about the small plan's metrics, deciding as if it were no dry run."""
    body = yaml.safe_load(CRITERION_KINDS[kind].example)
    text = yaml.safe_dump({**body, "dry_run": False, **OWN.get(kind, {}), **changes})
    for name, known in NAMES.items():
        text = text.replace(name, known)
    return READ.validate_python(yaml.safe_load(text))


class OneAnswer(asks.Answers):
    """Every request is answered as good, as bad, or not at all; what was asked is remembered."""

    def __init__(self, plan: Plan, how: str, value: float | None = None) -> None:
        self.plan, self.how, self.value = plan, how, value
        self.asked: list[asks.Request[Any]] = []

    def __getitem__(self, request: asks.Request[Any]) -> Any:
        self.asked.append(request)
        return super().__getitem__(request)

    @property
    def lost(self) -> NoData | None:
        gone = {"unreachable": NoDataReason.UNREACHABLE, "stale": NoDataReason.STALE, "nan": NoDataReason.NAN}
        few = {"few": NoDataReason.TOO_FEW}
        reason = {**gone, **few}.get(self.how)
        return None if reason is None else NoData(reason, T0, "made up")

    def _reading(self, good: float, bad: float) -> Reading:
        if self.lost is not None:
            return self.lost
        value = self.value if self.value is not None else bad if self.how == "bad" else good
        return Sample(value, T0, 10_000)

    def metric(self, request: asks.MetricNow) -> Reading:
        return self._reading(1, 5_000)

    def widening(self, request: asks.Widening) -> None:
        return None

    def traffic_flows(self, request: asks.TrafficFlows) -> bool:
        return self.lost is None

    def control(self, request: asks.ControlNow) -> Reading:
        return self.lost or Sample(1, T0, 10_000)

    def reference(self, request: asks.Reference) -> Reading | None:
        return self.lost or Sample(1, T0, 10_000)

    def metric_past(self, request: asks.MetricPast) -> list[Sample] | NoData:
        return self.lost or [Sample(1 + 0.01 * (n % 3), T0, 1) for n in range(60)]

    def range(self, request: asks.Range) -> list[Sample] | NoData:
        count = int((T0 - request.start) / request.step)
        grows = 1e9 if self.how == "bad" else 0
        points = [Sample(1 + grows * n * n, T0 - request.step * (count - n), 1) for n in range(count + 1)]
        return self.lost or points

    def instant(self, request: asks.Instant) -> Mapping[str, Reading]:
        part = self._reading(0, 9_000)
        whole = self.lost or Sample(10_000, T0)
        return {name: whole if name.endswith("whole") else part for name, _ in request.queries}

    def events(self, request: asks.Events) -> Reading:
        return self._reading(0, 3)

    def alerts(self, request: asks.AlertsNow) -> AlertReading:
        return AlertReading(T0, ("Broken",) if self.how == "bad" else (), 0 if self.lost else 3, self.lost)

    def figure(self, request: asks.Figure) -> Reading:
        return self._reading(1, 1_000_000)

    def _counted(self) -> Counted:
        # In each tick: of those on the new path, and of those beside them.
        row = (450, 500, 9, 900) if self.how == "bad" else (1, 100, 9, 900)
        end = T0.timestamp()
        rows = [] if self.lost else [Counts(end - 300 * n, *row) for n in range(200, -1, -1)]
        return Counted("errors", (WaveCounts(UNKNOWN_NOTHING, tuple(rows)),) if rows else (), self.lost)

    def counts(self, request: asks.CountsSoFar) -> Counted:
        return self._counted()

    def counts_of_bounds(self, request: asks.CountsOfBounds) -> Sequence[Counted]:
        return [self._counted() for _ in request.series]

    def reviews(self, request: asks.Reviews) -> Any:
        class Record:
            looked = 0 if self.lost else 100
            reported: ClassVar = dict.fromkeys(self.plan.metrics, 20 if self.how == "bad" else 100)

        return Record()

    def known_requests(self, request: asks.KnownRequests) -> Probed:
        if self.lost:
            return Probed(problem="made up")
        return Probed((ProbeResult("a", Reply.WRONG if self.how == "bad" else Reply.RIGHT, Reply.RIGHT),))

    def alarm_sent(self, request: asks.AlarmSent) -> AlarmRecord | None:
        if self.lost:
            return None
        verdict = Verdict.FAIL if self.how == "bad" else Verdict.PASS
        return AlarmRecord(T0, verdict, "It arrived.", 2, 2)


def context(item: BaseCriterion, plan: Plan = PLAN) -> Context:
    """Wave 1 of the small plan after three days."""
    return Context("it", plan, TIMING, 1, T0, T0 - 3 * DAY, T0 - 3 * DAY)


def judged(item: BaseCriterion, how: str, value: float | None = None) -> Finding:
    return item.judge(context(item), OneAnswer(PLAN, how, value))[0]


MACHINES = [kind for kind, of in CRITERION_KINDS.items() if kind not in ("human", "earlier_waves")]


@pytest.mark.parametrize("kind", CRITERION_KINDS)
def test_a_kind_states_all_that_the_registry_asks(kind: str) -> None:
    found = CRITERION_KINDS[kind]
    assert whole(found) is found
    assert kind_word(found) == kind
    assert (found.__doc__ or "").strip()
    assert all(field.description for name, field in found.model_fields.items() if name != "kind")


@pytest.mark.parametrize("kind", CRITERION_KINDS)
def test_its_example_loads_and_reads_as_a_sentence(kind: str) -> None:
    item = example(kind)
    assert isinstance(item, CRITERION_KINDS[kind])
    assert item.sentence(PLAN).strip()
    assert "\n" not in item.sentence(PLAN)


@pytest.mark.parametrize("kind", CRITERION_KINDS)
def test_its_problems_are_paths_of_its_own_fields(kind: str) -> None:
    item = example(kind)
    body = item.model_dump(by_alias=True)
    for number in (0, 1):
        for path, words in item.problems(PLAN, number):
            assert not path or path[0] in body
            assert words.strip()


@pytest.mark.parametrize("kind", CRITERION_KINDS)
def test_it_says_how_it_is_replayed_or_why_not(kind: str) -> None:
    item = example(kind)
    stance = item.in_backtest(context(item))
    assert isinstance(stance, get_args(Stance))
    if isinstance(stance, NotReplayed):
        assert stance.reason.strip()


@pytest.mark.parametrize("kind", CRITERION_KINDS)
@pytest.mark.parametrize("how", ["good", "bad", "unreachable"])
def test_it_asks_nothing_but_its_requests(kind: str, how: str) -> None:
    item = example(kind)
    answers = OneAnswer(PLAN, how)
    item.judge(context(item), answers)
    stated = list(item.requests(context(item)))
    assert [request for request in answers.asked if request not in stated] == []


@pytest.mark.parametrize("kind", MACHINES)
def test_good_data_passes_and_bad_data_does_not(kind: str) -> None:
    assert judged(example(kind), "good").verdict is Verdict.PASS
    worse = judged(example(kind), "bad")
    assert worse.verdict is (Verdict.INCONCLUSIVE if kind == "go_evidence" else Verdict.FAIL), worse.sentence


@pytest.mark.parametrize("kind", MACHINES)
@pytest.mark.parametrize("how", ["unreachable", "stale", "nan", "few"])
def test_no_data_never_passes_and_never_rolls_back(kind: str, how: str) -> None:
    found = judged(example(kind), how)
    assert found.verdict in (Verdict.INCONCLUSIVE, Verdict.ERROR)
    assert found.sentence.strip()


@pytest.mark.parametrize("kind", MACHINES)
def test_a_source_that_cannot_be_reached_is_an_error(kind: str) -> None:
    # Reviews and alarms are the journal's: where there are none yet, nothing is broken.
    expected = Verdict.INCONCLUSIVE if kind == "coverage" else Verdict.ERROR
    assert judged(example(kind), "unreachable").verdict is expected


@pytest.mark.parametrize("kind", CRITERION_KINDS)
@pytest.mark.parametrize("how", ["good", "bad", "unreachable"])
def test_on_dry_run_it_decides_nothing(kind: str, how: str) -> None:
    found = judged(example(kind, dry_run=True), how)
    assert found.verdict is Verdict.NOT_APPLICABLE
    assert found.required is False


@pytest.mark.parametrize("kind", CRITERION_KINDS)
def test_its_finding_bears_the_name_it_was_asked_under(kind: str) -> None:
    for how in ("good", "bad", "few"):
        assert judged(example(kind), how).criterion == "it"


def upper_bounds() -> Iterator[str]:
    for kind in MACHINES:
        stated = example(kind).model_dump()
        if stated.get("above") is not None:
            yield kind


@pytest.mark.parametrize("kind", list(upper_bounds()))
@given(values=st.tuples(st.floats(0, 1e7), st.floats(0, 1e7)))
def test_a_higher_value_over_an_upper_bound_never_lifts_the_verdict(kind: str, values: tuple[float, float]) -> None:
    item = example(kind)
    better, worse = (judged(item, "good", value).verdict for value in sorted(values))
    bad_side = worse if When.TRIGGER in item.when else better
    good_side = better if When.TRIGGER in item.when else worse
    assert ORDER.index(bad_side) >= ORDER.index(good_side)


class Half(BaseCriterion):
    """States its field and nothing else."""

    kind: Literal["half"]


class TwoWords(Threshold):
    """Is of two kinds."""

    kind: Literal["one", "two"]  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Half, "Half lacks requests, judge, sentence, in_backtest, example"),
        (TwoWords, "kind is no single word"),
        (dict, "allowed is a subclass of BaseCriterion"),
        ("threshold", "found 'threshold', allowed is a subclass of BaseCriterion"),
    ],
)
def test_half_a_kind_is_refused_in_a_sentence(found: object, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        whole(found)
