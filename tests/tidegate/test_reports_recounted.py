"""Whatever a rollout went through, its four reports say what the journal says, counted again by other means."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tidegate import recount
from tests.tidegate.builders import ANN, MINUTE, Journal, approve, opened, raise_wave
from tests.tidegate.test_costs import PAID, told
from tidegate.journal.entries import Entry
from tidegate.journal.kinds import Kind
from tidegate.plan.pace import Pace, Timing
from tidegate.reports.closeout import closeout
from tidegate.reports.postmortem import postmortem
from tidegate.reports.standup import standup

SECONDS = st.floats(0, 200_000).map(lambda s: timedelta(seconds=round(s, 3)))
VALUES = st.none() | st.floats(0, 50).map(lambda x: round(x, 4))
COUNTS = st.none() | st.integers(0, 5_000).map(float)
VERDICTS = st.sampled_from(["PASS", "PASS", "FAIL", "INCONCLUSIVE"])


@st.composite
def reviews(draw: st.DrawFn) -> dict[str, Any]:
    lines = [
        {"name": name, "title": name, "level": "on target", "value": draw(VALUES), "n": draw(COUNTS)}
        for name in ("errors", "latency")
    ]
    verdict = draw(VERDICTS)
    healthy = verdict == "PASS"
    return {"credit": draw(st.integers(0, 900)), "healthy": healthy, "verdict": verdict, "metrics": lines}


@st.composite
def accounts(draw: st.DrawFn) -> dict[str, float | None]:
    names = ("amount_instances", "requests_new", "requests_old")
    return {name: draw(st.none() | st.integers(0, 9_999).map(float)) for name in names}


@st.composite
def courses(draw: st.DrawFn) -> Journal:
    """A rollout of one or two waves and the days after: reviewed, held, accounted for, stepped back, rolled back."""
    journal = opened(PAID)
    at = journal.now.isoformat()
    body = {"reference": 0, "variant": "control", "start": at, "end": at, "window_seconds": 3600.0}
    if draw(st.booleans()):
        journal.append(
            Kind.MEASURED,
            {**body, "metrics": {"errors": {"value": draw(VALUES), "n": 100.0, "reason": "no_series", "detail": ""}}},
        )
    waves = draw(st.sampled_from([(1,), (1, 2), (1, 2, -1), (1, 2, -1, 2), (1, 2, 3), (1, 2, -1, 2, 3)]))
    for wave in waves:
        journal.now += draw(SECONDS)
        if wave < 0:
            exposure = PAID.exposure_at(1).to_json()
            journal.append(Kind.LOWERED, {"wave": 1, "exposure": exposure, "revision": "l"})
        elif wave > len(PAID.waves):
            journal.append(Kind.SOAKED, {"wave": wave - 1})
        else:
            approve(journal, wave)
            journal.now += draw(SECONDS)
            raise_wave(journal, wave)
        for review in draw(st.lists(reviews(), max_size=5)):
            journal.append(Kind.REVIEWED, {"wave": abs(wave), **review}, after=draw(SECONDS))
        if draw(st.booleans()):
            journal.append(Kind.HELD, {"by": ANN}, after=draw(SECONDS))
            journal.append(Kind.RESUMED, {"by": ANN}, after=draw(SECONDS))
        if draw(st.booleans()):
            span = {"start": journal.state.waves[abs(wave)].raised_at.isoformat(), "end": journal.now.isoformat()}
            journal.append(Kind.ACCOUNTED, {"wave": abs(wave), **span, "figures": draw(accounts()), "reasons": {}})
    return journal


def rolled_back(journal: Journal, zero: timedelta, proof: timedelta) -> Journal:
    """Ordered, at zero and proven, in this time."""
    ordered, at_zero = journal.now, journal.now + zero
    body = {"ordered_at": ordered.isoformat(), "zero_at": at_zero.isoformat()}
    journal.append(Kind.ROLLING_BACK, body, after=zero)
    times = {"last_request_at": at_zero.isoformat(), "proven_at": (at_zero + proof).isoformat()}
    journal.append(Kind.PROVEN, times, after=proof)
    return journal


def rows_of(entries: list[Entry]) -> list[recount.Row]:
    return [recount.Row(entry.at, entry.kind.value, entry.json) for entry in entries]


@settings(max_examples=35)
@given(courses(), st.none() | st.tuples(SECONDS, SECONDS), SECONDS)
def test_the_numbers_of_every_report_are_the_journals(
    journal: Journal, back: tuple[timedelta, timedelta] | None, later: timedelta
) -> None:
    if back is not None:
        rolled_back(journal, *back)
    rows, plan = rows_of(journal.entries), journal.plan
    timing, now = Timing(plan, Pace.of(journal.entries[0].at, None)), journal.now + later
    recount.check_stand_up(standup(plan, journal.state, timing, now, journal.entries), rows)
    recount.check_close_out(closeout(plan, journal.entries), rows)
    journal.now = now
    recount.check_costs(told(journal), rows)
    if back is not None:
        recount.check_postmortem(postmortem(journal.entries), rows)


def test_after_a_step_back_both_stays_cost_and_are_exposed_and_the_later_waves_reviews_still_count() -> None:
    journal = opened(PAID)
    for wave in (1, 2):
        approve(journal, wave)
        raise_wave(journal, wave)
        journal.append(Kind.REVIEWED, {"wave": wave, "credit": 60.0, "healthy": True}, after=60 * MINUTE)
    journal.append(Kind.LOWERED, {"wave": 1, "exposure": PAID.exposure_at(1).to_json(), "revision": "l"})
    journal.now += 180 * MINUTE
    assert [(w["wave"], w["hours"]) for w in told(journal)["waves"]] == [(1, "1.00"), (2, "1.00"), (1, "3.00")]
    report = closeout(PAID, rolled_back(journal, MINUTE, MINUTE).entries)
    assert [line["exposure"] for line in report["exposure"]] == ["10% of staff", "25% of all", "10% of staff"]
    assert [(wave["wave"], wave["reviews"]) for wave in report["judged"]] == [(1, 1), (2, 1)]
    assert "lowered" in [line["what"] for line in report["decisions"]]
