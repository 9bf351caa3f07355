"""The journals that the tests of the fold begin with."""

from datetime import timedelta
from typing import Any

from tests.tidegate.builders import (
    ANN,
    BOB,
    MINUTE,
    PLAN,
    T0,
    Journal,
    approve,
    finding,
    in_wave,
    reviews,
)
from tidegate.journal.kinds import Kind
from tidegate.rollout.decision import Judged
from tidegate.values.verdict import Verdict

FIRST, SECOND = PLAN.exposure_at(1), PLAN.exposure_at(2)
HOUR = timedelta(hours=1)
STEPPED_BACK: dict[str, Any] = {"wave": 1, "exposure": FIRST.to_json()}


def healthy(at: timedelta = MINUTE) -> Judged:
    return Judged(T0 + at, (finding(Verdict.PASS, "trigger"),), (finding(Verdict.PASS, "during"),))


def soaked_wave() -> Journal:
    journal = in_wave()
    reviews(journal, 1, [True] * 4, 15 * MINUTE)
    return journal


def gate(wave: int, attempt: int = 1, **more: Any) -> dict[str, Any]:
    return {"wave": wave, "attempt": attempt, **more}


def at_second_gate() -> Journal:
    return in_wave().extend((Kind.SOAKED, {"wave": 1}), (Kind.GATE_OPENED, gate(2)))


def raising_second() -> Journal:
    journal = in_wave().extend((Kind.SOAKED, {"wave": 1}))
    approve(journal, 2, ANN, BOB)
    journal.append(Kind.RAISING, {"wave": 2, "exposure": SECOND.to_json()})
    return journal
