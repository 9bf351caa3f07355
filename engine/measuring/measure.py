"""One look at a rollout: every question asked at once, every answer judged."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from blocks.flags.backend import as_planned
from engine.exposure.set_back import read_settled
from engine.measuring.answers import AT_HAND
from engine.measuring.clocks import clocks_apart
from engine.measuring.counts import counting_wave
from engine.measuring.judge import canary_traffic, context_of, measure, not_judged
from engine.measuring.sources import VERSIONS, MetricSnapshot, begin, exposed_since, start_queries
from engine.past.unseen_past import judged_with_the_past, of_fresh_points
from engine.rollback.old_path import old_path_trouble
from engine.rollout.session import OpenRollout
from tidegate.criteria.base import Judgement
from tidegate.criteria.context import Context
from tidegate.criteria.findings import no_data_words
from tidegate.criteria.metrics.metric_levels import MetricLine, metric_line
from tidegate.criteria.metrics.queries import Breach, points_apart, sustained
from tidegate.criteria.metrics.references import BASELINE
from tidegate.gates.approval import measured_entry
from tidegate.journal.bodies.evidence_bodies import CountsNoted
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.state import Phase
from tidegate.plan.in_force import InForce, in_force
from tidegate.plan.model import When
from tidegate.plan.selected_series import SELECTS
from tidegate.rollout.decision import Drift, Judged
from tidegate.values.exposure import ZERO
from tidegate.values.samples import NoData, NoDataReason, Reading, Sample
from tidegate.values.verdict import Finding, Verdict


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one look saw: the judgement, the metrics table, and the raw answers it was made from."""

    judged: Judged
    metrics: tuple[MetricLine, ...]
    raw: Mapping[str, Reading]
    readings: Mapping[str, Reading] = field(default_factory=dict)  # the plan's metrics, as judged
    counted: CountsNoted | None = None
    builds: frozenset[str] | NoData | None = None  # that serve the new path

    def raw_json(self) -> dict[str, float | str]:
        """The raw values, or the reason why there is none."""
        return {k: v.value if isinstance(v, Sample) else v.reason.value for k, v in sorted(self.raw.items())}


def measure_rollout(run: OpenRollout, now: datetime) -> Measurement:
    """Measure and judge everything in force at the rollout's wave; trouble is a finding, never an exception."""
    state, plan = run.state, run.plan
    drift, unreadable = drift_of(run)
    if state.wave == 0:
        return Measurement(Judged(now, (), (), drift, unreadable), (), {})
    during = in_force(plan, state.wave, When.DURING)
    triggers = in_force(plan, state.wave, When.TRIGGER)
    seen = start_queries(run, state.wave, now)
    found = _measured(seen, (*during, *triggers))
    metrics = seen.metrics  # once they are answered, Prometheus' clock is known
    # Of a wave that is eased its new path has less than the wave implies.
    traffic = [] if state.is_easing else canary_traffic(seen)
    skew = clocks_apart(run.connections, already=HoldCause.CLOCK_SKEW in state.holds)
    judged = Judged(
        now,
        _judged_triggers(seen, triggers, [*found[len(during) :], *traffic], skew),
        tuple(finding for finding, _ in found[: len(during)]),
        drift,
        unreadable,
        _unknown_build(seen),
        skew,
        frozenset(item.id for item in triggers if item.criterion.ease),
        old_path_trouble(run, now) if state.is_easing else "",
    )
    lines = tuple(
        metric_line(name, metric, metrics[name], seen.reference(BASELINE, name))
        for name, metric in plan.metrics.items()
    )
    return Measurement(judged, lines, seen.raw, metrics, _counts_body(seen), seen.builds)


def _unknown_build(seen: MetricSnapshot) -> str:
    """Why nobody can tell which builds serve the new path now, or empty: unseen they may be others than before."""
    if seen.builds is None:
        return ""
    for found in (seen.builds, seen.raw[VERSIONS]):
        if isinstance(found, NoData):
            return f"Which version the new path runs cannot be determined: no data ({no_data_words(found)})."
    return ""


def _counts_body(seen: MetricSnapshot) -> CountsNoted | None:
    """The raw counts that this look added, as one entry of the journal; None for none."""
    if not seen.noted:
        return None
    present = counting_wave(seen)
    rows: dict[str, Any] = {}
    before: dict[str, Any] = {}
    later: dict[str, Any] = {}
    for which, wave, series, found in sorted(seen.noted):
        place = rows if which == "rows" else before if wave == present else later.setdefault(str(wave), {})
        place[series] = found
    return CountsNoted(present, before, rows, later or None)


def entry_findings(run: OpenRollout, wave: int, now: datetime) -> tuple[Finding, ...]:
    """The measured enter criteria of a wave, and how the wave before stands now: its criteria, triggers and flag.

    A gate that only people answer must not be passed while nothing can be measured, or while what was fine is not.
    """
    criteria = measured_entry(run.plan, wave)
    entered = tuple(finding for finding, _ in _measured(start_queries(run, max(run.state.wave, 1), now), criteria))
    standing = measure_rollout(run, now).judged
    apart = standing.skew or clocks_apart(run.connections)
    skewed = (Finding("clocks", "The clocks agree", Verdict.ERROR, apart),) if apart else ()
    unmet = (Verdict.ERROR, Verdict.FAIL)
    bad = tuple(f for f in standing.triggers if f.verdict in unmet or (f.required and not f.verdict.allows))
    flag = "the flag is as the journal has it"
    unlike = standing.unreadable or (f"It is {standing.drift.now}." if standing.drift else "")
    drifted = (Finding("flag", flag, Verdict.ERROR, unlike),) if unlike else ()
    if wave == 1 and run.state.not_there_yet:
        entered += (Finding(SELECTS, "What the queries select", Verdict.PASS, run.state.not_there_yet),)
    build = "the new path says which version it runs"
    unknown = (Finding("version", build, Verdict.ERROR, why),) if (why := standing.unknown_build) else ()
    return (*entered, *standing.during, *bad, *drifted, *unknown, *skewed)


def _measured(seen: MetricSnapshot, items: Sequence[InForce]) -> list[Judgement]:
    """The answer to each criterion. Those that ask further questions ask them at the same time, beside the others."""
    asked = [(item, context_of(seen, item)) for item in items]
    begun = [None if _is_at_hand(item, at) else begin([partial(measure, seen, item, at)])[0] for item, at in asked]
    return [
        measure(seen, item, at) if answer is None else answer.result()
        for (item, at), answer in zip(asked, begun, strict=True)
    ]


def _is_at_hand(item: InForce, at: Context) -> bool:
    """Whether the metrics and the journal answer it: then it is judged in less time than it takes to hand it over."""
    try:
        return all(isinstance(one, AT_HAND) for one in item.criterion.requests(at))
    except Exception:  # noqa: BLE001 - whatever a kind raises, judging it says so
        return False


def drift_of(run: OpenRollout) -> tuple[Drift | None, str]:
    """How the flag differs from what the journal has, or None; and why the flag could not be read, or empty."""
    state = run.state
    try:
        allowed = ZERO if state.phase is Phase.ROLLING_BACK else state.exposure
        found = read_settled(run, allowed, run.claim.epoch if run.claim is not None else None)
    except Exception as error:  # noqa: BLE001 - whatever a backend raises, a flag that cannot be read is no drift
        return None, f"The flag cannot be read ({type(error).__name__}: {error})."
    seen = as_planned(found, run.plan.flag.variants)
    as_written = seen.revision == state.revision if state.revision else seen.exposure == ZERO
    intended = state.intended is not None and seen.exposure == state.intended
    # A definition that was written anew and means the same is no drift either.
    if as_written or intended or seen.exposure == state.exposure:
        return None, ""
    return Drift(str(state.exposure), seen.description, seen.exposure == ZERO, seen.expired), ""


def _judged_triggers(
    seen: MetricSnapshot, items: Sequence[InForce], found: list[Judgement], skew: str
) -> tuple[Finding, ...]:
    present = tuple(_lasting(seen, found))
    return judged_with_the_past(seen, present, [breach for _, breach in found], items, skew)


def _lasting(seen: MetricSnapshot, found: list[Judgement]) -> Iterable[Finding]:
    """A breached trigger is asked for its past; it fires once the breach has lasted, and is unsure until then.

    A past that cannot be read spends the no-data budget: nobody knows then whether the breach lasts.
    """
    for finding, breach in found:
        if finding.verdict is not Verdict.FAIL or breach is None or breach.lasting == timedelta(0):
            yield finding
            continue
        try:
            points = _past(seen, breach, no_traffic=finding.criterion == "no_canary_traffic")
        except Exception as error:  # noqa: BLE001 - trouble is a finding, and the other triggers are judged
            yield replace(finding, verdict=Verdict.ERROR, sentence=f"{finding.sentence} {not_judged(error)}")
            continue
        fires, why = sustained(breach, points)
        no_data = isinstance(points, NoData) and points.reason.spends_no_data_budget
        verdict = Verdict.FAIL if fires else Verdict.ERROR if no_data else Verdict.INCONCLUSIVE
        yield replace(finding, verdict=verdict, sentence=f"{finding.sentence} Now {why}.")


def _past(seen: MetricSnapshot, breach: Breach, *, no_traffic: bool) -> list[Sample] | NoData:
    """The breach's query over twice the time that it must last, as far back as the new path had users."""
    state, now, needed = seen.run.state, seen.now, breach.needed
    step = points_apart(needed, seen.run.timing)
    if breach.span is not None:
        since, reach = exposed_since(state) or now, breach.span
    elif no_traffic:
        since, reach = state.record.raised_at if state.record else now, breach.window
    else:
        since, reach = state.first_raise_at or now, timedelta(0)
    start = max(since + reach, now - needed * 2)
    young = breach.span is not None and now - since <= reach + needed + step
    if young and start > now - needed:
        return []
    points = seen.past(breach.query, start, step, infinite=True)
    if isinstance(points, NoData) and points.points and breach.adds:
        points = list(points.points)  # the rest of a partial answer could only be worse
    elif not no_traffic:
        points = of_fresh_points(seen, breach, points, start, step)
    # Until the points may look back as far as the reading did, they may well see too few events.
    none_yet = young and isinstance(points, NoData) and points.reason is NoDataReason.NO_SERIES
    return [] if none_yet else points
