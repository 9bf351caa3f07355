"""Who may open a rollout: one of a service at a time, unless both plans say otherwise."""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from blocks.connections import OpenConnections
from blocks.errors import FlagBusy
from blocks.flags.flagd.flagd_file import FlagdFile
from blocks.journal.block import Journal
from engine.rollout.open import NotAllowed, open_rollout
from engine.rollout.session import OpenRollout
from tests.engine.world import DEAD
from tests.tidegate.builders import ANN, BOB, plan_of

ALLOWING = {"allow_others_of_service": True}


@pytest.fixture
def via(tmp_path: Path) -> OpenConnections:
    flags = FlagdFile(path=str(tmp_path / "flags.json"))
    return OpenConnections(Journal(url=f"sqlite:///{tmp_path / 'journal.db'}"), flags, DEAD)


def start(via: OpenConnections, flag: str, who: str = ANN, **changes: Any) -> OpenRollout:
    plan = plan_of({"flag": {"key": flag}, **changes})
    return open_rollout(via, plan, f"{flag}-1", started_by=who, pace=None, auto_approve=False, connection_set="default")


@pytest.mark.parametrize(
    ("first", "second", "allowed"),
    [
        ({}, {}, False),
        (ALLOWING, {}, False),
        ({}, ALLOWING, False),
        (ALLOWING, ALLOWING, True),
        ({}, {"service": "another"}, True),
    ],
)
def test_a_second_rollout_of_a_service(
    via: OpenConnections, first: dict[str, Any], second: dict[str, Any], allowed: bool
) -> None:
    start(via, "one", BOB, **first)
    if allowed:
        assert start(via, "two", **second).state.phase.is_open
        return
    with pytest.raises(NotAllowed) as refused:
        start(via, "two", **second)
    for word in ("one-1", "flag one", BOB, "allow_others_of_service"):
        assert word in str(refused.value)
    assert [row.rollout for row in via.journal.rollouts()] == ["one-1"]


def test_the_same_rollout_is_opened_again_and_the_same_flag_names_its_owner(via: OpenConnections) -> None:
    start(via, "one")
    assert start(via, "one").rollout == "one-1"
    plan = plan_of({"flag": {"key": "one"}})
    with pytest.raises(FlagBusy, match=ANN):
        open_rollout(via, plan, "one-2", started_by=BOB, pace=None, auto_approve=False, connection_set="default")


def test_of_many_at_once_one_at_most_is_left(via: OpenConnections) -> None:
    begin = threading.Barrier(6)

    def opens(number: int) -> None:
        begin.wait()
        with suppress(NotAllowed):
            start(via, f"flag-{number}")

    threads = [threading.Thread(target=opens, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(via.journal.rollouts(open_only=True)) <= 1
