"""Measuring what later changes are held against: the old path before wave 1, and each wave when it has soaked."""

import threading
from datetime import datetime, timedelta
from functools import partial

from engine.measuring.answer_ages import answers_at
from engine.measuring.sources import gather
from engine.notices.queueing import notify
from engine.rollout.session import OpenRollout, utc_now
from tidegate.criteria.metrics.references import BASELINE, reference_body, reference_queries
from tidegate.journal.bodies.evidence_bodies import ReferenceMeasured
from tidegate.notices.texts import reference_incomplete
from tidegate.plan.pace import SCRAPES_IN_A_WINDOW
from tidegate.values.samples import NoData, NoDataReason, Reading

_ATTEMPTS = 3
_PASSING = (NoDataReason.UNREACHABLE, NoDataReason.SLOW, NoDataReason.PARTIAL)


def measure_baseline(run: OpenRollout, now: datetime | None = None) -> None:
    """Journal the old path over the plan's baseline window, once; what could not be measured is recorded as such."""
    run.wait_for_claim()
    if run.plan.baseline is not None:
        _measure(run, BASELINE, run.timing.window(run.plan.baseline.window), now or utc_now())


def measure_wave(run: OpenRollout, wave: int, now: datetime) -> None:
    """Journal the wave on the new path over its whole time, once."""
    record = run.state.waves.get(wave)
    if record is not None:
        _measure(run, wave, max(now - record.raised_at, run.plan.scrape_interval * SCRAPES_IN_A_WINDOW), now)


def _measure(run: OpenRollout, number: int, window: timedelta, now: datetime) -> None:
    if number in run.state.evidence.references:
        return
    answers = _asked(run, number, window, now)
    body = ReferenceMeasured.from_json(reference_body(run.plan, number, now - window, now, answers))
    written = run.append(body, now, unless=lambda s: number in s.evidence.references, fenced=True)
    lost = [name for name, found in body.metrics.items() if found["value"] is None]
    if written and lost:
        notify(run, reference_incomplete(run.plan, run.state, number, lost))


def _asked(run: OpenRollout, number: int, window: timedelta, now: datetime) -> dict[str, Reading]:
    """What each query answers, each metric asked for itself, since so long a window may be slow for some.

    The baseline is asked for again while Prometheus does not answer; a wave is summed up in an evaluation,
    which must not wait.
    """
    answers: dict[str, Reading] = {}
    left = reference_queries(run.plan, number, window)
    for attempt in range(_ATTEMPTS if number == BASELINE else 1):
        if attempt:
            threading.Event().wait(0.5)
        each = [{k: q for k, q in left.items() if k.rsplit("_", 1)[0] == name} for name in run.plan.metrics]
        for found in gather(partial(answers_at, run, queries, now) for queries in each if queries):
            answers |= found
        left = {k: q for k, q in left.items() if isinstance(r := answers[k], NoData) and r.reason in _PASSING}
        if not left:
            break
    return answers
