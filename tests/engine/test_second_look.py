"""Preflight looks again at what a lost scrape has hidden, and at nothing else."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from engine.preflight.checks import Check, run_check
from engine.preflight.second_look import look_twice, patience
from tests.tidegate.builders import plan_of
from tidegate.values.verdict import Finding, Verdict

SOON = timedelta(seconds=0.2)


class Looks:
    """Checks that find one verdict after the other, the last one for good; how often each was looked at."""

    def __init__(self, **verdicts: list[Verdict]) -> None:
        self.verdicts, self.times = verdicts, dict.fromkeys(verdicts, 0)

    def at(self, _: datetime) -> tuple[Check, ...]:
        return tuple(Check(name, name, self._look(name), name.startswith("metric")) for name in self.verdicts)

    def _look(self, name: str) -> Callable[[], Finding]:
        def look() -> Finding:
            found = self.verdicts[name][min(self.times[name], len(self.verdicts[name]) - 1)]
            self.times[name] += 1
            return Finding(name, name, found, "")

        return look


def verdicts(looks: Looks, patience: timedelta = SOON) -> list[Verdict]:
    found = look_twice(looks.at, lambda checks: tuple(map(run_check, checks)), patience)
    return [finding.verdict for finding in found]


@pytest.mark.parametrize(("scrape", "seconds"), [("1s", 5), ("15s", 30), ("1m", 45)])
def test_it_looks_for_two_scrapes_again_and_no_longer_than_a_person_waits(scrape: str, seconds: int) -> None:
    assert patience(plan_of({"scrape_interval": scrape})).total_seconds() == seconds


def test_what_comes_with_the_next_scrape_is_no_reason_to_close() -> None:
    looks = Looks(flag=[Verdict.PASS], metric_errors=[Verdict.FAIL, Verdict.PASS], slack=[Verdict.ERROR, Verdict.PASS])
    assert verdicts(looks) == [Verdict.PASS] * 3
    assert looks.times == {"flag": 1, "metric_errors": 2, "slack": 2}


def test_what_does_not_come_stays_a_failure() -> None:
    looks = Looks(flag=[Verdict.PASS], metric_errors=[Verdict.FAIL])
    assert verdicts(looks) == [Verdict.PASS, Verdict.FAIL]
    assert looks.times == {"flag": 1, "metric_errors": 2}


def test_without_patience_there_is_one_look() -> None:
    looks = Looks(metric_errors=[Verdict.FAIL, Verdict.PASS])
    assert verdicts(looks, timedelta(0)) == [Verdict.FAIL]


def test_what_is_wrong_is_not_asked_until_it_looks_better() -> None:
    looks = Looks(alerts=[Verdict.FAIL, Verdict.PASS], metric_errors=[Verdict.FAIL, Verdict.PASS])
    assert verdicts(looks) == [Verdict.FAIL, Verdict.FAIL]
    assert looks.times == {"alerts": 1, "metric_errors": 1}


def test_what_turns_out_wrong_at_the_second_look_ends_it() -> None:
    looks = Looks(alerts=[Verdict.ERROR, Verdict.FAIL, Verdict.PASS])
    assert verdicts(looks, 10 * SOON) == [Verdict.FAIL]


def test_other_checks_than_before_are_all_looked_at() -> None:
    looks = Looks(metric_errors=[Verdict.FAIL, Verdict.PASS], flag=[Verdict.PASS])
    others = Looks(metric_errors=[Verdict.PASS], queue=[Verdict.PASS], flag=[Verdict.PASS])
    asked: list[datetime] = []

    def at(now: datetime) -> tuple[Check, ...]:
        asked.append(now)
        return (looks if len(asked) == 1 else others).at(now)

    found = look_twice(at, lambda checks: tuple(map(run_check, checks)), SOON)
    assert [(f.criterion, f.verdict) for f in found] == [(n, Verdict.PASS) for n in ("metric_errors", "queue", "flag")]
    assert others.times == {"metric_errors": 1, "queue": 1, "flag": 1}
