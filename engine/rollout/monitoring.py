"""The loops around the evaluation: guard until an instant, and monitor a wave until it has soaked."""

import threading
from collections.abc import Callable
from datetime import datetime
from time import monotonic

from blocks.journal.freezes import why_frozen
from engine.notices.reporter import Reporter
from engine.rollout.evaluation import Evaluation, evaluate, review_due
from engine.rollout.session import OpenRollout, utc_now
from tidegate.journal.state import Phase

Review = Callable[[OpenRollout, datetime], object]


def guard_until(run: OpenRollout, reporter: Reporter, when: datetime | None, phase: Phase) -> bool:
    """Guard until the instant; False when the rollout left the phase, as by a rollback.

    Reviews go on while people wait: what is exposed is still judged, and a rollout without them counts as silent.
    """
    while (now := utc_now()) < (when or now):
        if not guard_once(run, reporter, phase, when):
            return False
    return run.refresh().phase is phase and not run.state.is_easing


def guard_once(run: OpenRollout, reporter: Reporter, phase: Phase, until: datetime | None = None) -> bool:
    """One guard and the pause behind it, which ends at `until` at the latest.

    False when the rollout left the phase, or is on its way to zero: nobody is asked then.
    """
    begun, now = monotonic(), utc_now()
    evaluate(run, now, review=review_due(run, now))
    reporter.update(run, now)
    if run.state.phase is not phase:
        return False
    _pause(run, begun, until)
    return not run.state.is_easing


def guard_while_frozen(run: OpenRollout, reporter: Reporter) -> bool:
    """Guard while raising is frozen, so that no approval grows old meanwhile; False when the rollout left its phase."""
    phase = run.state.phase
    while why_frozen(run.connections.journal):
        if not guard_once(run, reporter, phase):
            return False
    return run.refresh().phase is phase and not run.state.is_easing


def guard_to_zero(run: OpenRollout, reporter: Reporter) -> None:
    """Guard while a gentle rollback is on its way, which the looks themselves carry on."""
    while run.state.is_easing:
        guard_once(run, reporter, run.state.phase)


def review(run: OpenRollout, now: datetime) -> Evaluation:
    """Measure, judge, record."""
    return evaluate(run, now, review=True)


def monitor(run: OpenRollout, reporter: Reporter, wave: int, reviewed: Review = review) -> None:
    """The timed monitoring of a wave: guards, and a review each interval, until it soaked or was rolled back.

    `reviewed` makes a review, which it may show as it likes; the guards between are plain calls.
    """
    while run.state.phase is Phase.WAVE and run.state.wave == wave:
        begun, now = monotonic(), utc_now()
        if review_due(run, now):
            reviewed(run, now)
        else:
            evaluate(run, now, review=False)
        reporter.update(run, now)
        if run.state.phase is Phase.WAVE:
            _pause(run, begun)


def _pause(run: OpenRollout, begun: float, until: datetime | None = None) -> None:
    """Wait for the next guard, counted from the beginning of this one; a clock that was set never makes it longer."""
    left = begun + run.timing.guard.total_seconds() - monotonic()
    if until is not None:
        left = min(left, (until - utc_now()).total_seconds())
    if left > 0:
        threading.Event().wait(left)
