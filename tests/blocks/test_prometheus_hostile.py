"""Prometheus behind a bad network: every call ends in time, as no data with its reason."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from blocks.calls.bounded import all_within
from blocks.errors import Unreachable
from blocks.prometheus.block import Prometheus
from tests.blocks.hostile import Manner, hostile
from tidegate.values.samples import AlertReading, NoData, NoDataReason

AT = datetime(2026, 3, 2, 17, tzinfo=UTC)
SECONDS = 1.0
TRICKLES = (Manner.SILENT, Manner.HEADER_TRICKLES, Manner.BODY_TRICKLES)
QUESTIONS: dict[str, Callable[[Prometheus], Any]] = {
    "two queries": lambda p: p.instant({"a": "x", "b": "y"}, AT)["a"],
    "one query": lambda p: p.instant({"a": "x"}, AT)["a"],
    "range": lambda p: p.range("x", AT, AT, timedelta(seconds=1)),
    "history": lambda p: p.history("x", AT, AT, timedelta(seconds=1)),
    "label values": lambda p: p.label_values("x", "y", AT),
    "alerts": lambda p: p.alerts({"severity": "critical"}, AT),
}


def reason(answer: Any) -> NoDataReason | None:
    found = answer.problem if isinstance(answer, AlertReading) else answer
    return found.reason if isinstance(found, NoData) else None


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("manner", TRICKLES)
def test_what_is_late_is_no_data_however_it_comes(manner: Manner, question: str) -> None:
    with hostile(manner) as server:
        prometheus = Prometheus(url=server.url, timeout_seconds=SECONDS)
        began = time.monotonic()
        assert reason(QUESTIONS[question](prometheus)) is NoDataReason.SLOW
        # By each read it would be minutes: a byte comes every tenth of a second.
        assert time.monotonic() - began < 6 * SECONDS


@pytest.mark.parametrize("manner", TRICKLES)
def test_the_connection_of_a_late_answer_is_ended(manner: Manner) -> None:
    with hostile(manner) as server:
        Prometheus(url=server.url, timeout_seconds=SECONDS).instant({"a": "x"}, AT)
        assert server.gone.acquire(timeout=5), "it still reads what nobody waits for"


def test_an_answer_without_end_is_neither_kept_nor_waited_for() -> None:
    with hostile(Manner.ENDLESS) as server:
        prometheus = Prometheus(url=server.url, timeout_seconds=SECONDS)
        began = time.monotonic()
        assert reason(prometheus.instant({"a": "x"}, AT)["a"]) in (NoDataReason.SLOW, NoDataReason.REFUSED)
        assert time.monotonic() - began < 6 * SECONDS
        assert server.gone.acquire(timeout=5)


def test_half_an_answer_is_none() -> None:
    with hostile(Manner.HALF) as server:
        prometheus = Prometheus(url=server.url, timeout_seconds=SECONDS)
        assert reason(prometheus.instant({"a": "x"}, AT)["a"]) is NoDataReason.UNREACHABLE


def test_a_check_ends_in_time() -> None:
    with hostile(Manner.BODY_TRICKLES) as server:
        began = time.monotonic()
        with pytest.raises(Unreachable, match="no answer within 1 s"):
            Prometheus(url=server.url, timeout_seconds=SECONDS).check()
        assert time.monotonic() - began < 6 * SECONDS


def test_what_was_given_the_time_for_all_of_it_asks_no_further() -> None:
    with hostile(Manner.BODY_TRICKLES) as server:
        prometheus = Prometheus(url=server.url, timeout_seconds=60)
        began = time.monotonic()
        with all_within(SECONDS):
            answers = [prometheus.instant({"a": "x"}, AT)["a"] for _ in range(3)]
        assert [reason(answer) for answer in answers] == [NoDataReason.SLOW] * 3
        assert time.monotonic() - began < 10 * SECONDS
