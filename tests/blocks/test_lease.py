"""Exposure that ends by itself, as the flag's own evaluator sees it: the file says so, and nobody has to write."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from blocks import FlagdFile
from blocks.errors import Fenced, NotTaken
from demo.batch_patches.flag import FLAG, Flag
from tests.e2e.waiting import wait_for
from tests.permits import put, put_until
from tidegate.values.exposure import ZERO, Exposure, Layer

EVERYONE = Exposure((Layer("all", None, 100.0),))
LONG = timedelta(minutes=10)


def soon(span: timedelta = LONG) -> datetime:
    return (datetime.now(UTC) + span).replace(microsecond=0)


@pytest.fixture
def flags(tmp_path: Path) -> FlagdFile:
    made = FlagdFile(path=str(tmp_path / "flags.json"))
    made.fence(FLAG, 1)
    return made


def test_the_evaluator_ends_it_and_the_reading_says_so_and_it_is_never_renewed(flags: FlagdFile) -> None:
    until = soon(timedelta(seconds=3))
    put_until(flags, FLAG, EVERYONE, 1, until)
    service = Flag(Path(flags.path))
    try:
        wait_for(lambda: service.assign("user-1", "beta").on, 2, "the service has read the file")
        assert flags.read(FLAG).lease_until == until
        wait_for(lambda: not service.assign("user-1", "beta").on, 5, "the exposure ends by itself")
        assert datetime.now(UTC) >= until
    finally:
        service.close()
    seen = flags.read(FLAG)
    assert (seen.exposure, seen.expired) == (ZERO, True)
    assert "ended by itself" in seen.description
    with pytest.raises(NotTaken, match="no lease that can be renewed"):
        flags.renew(FLAG, 1, soon())
    assert flags.read(FLAG).exposure == ZERO


def test_a_renewal_changes_the_end_and_nothing_else(flags: FlagdFile) -> None:
    revision = put_until(flags, FLAG, EVERYONE, 1, soon())
    later = soon(2 * LONG)
    flags.renew(FLAG, 1, later)
    seen = flags.read(FLAG)
    assert (seen.exposure, seen.lease_until, seen.revision) == (EVERYONE, later, revision)


def test_a_late_renewal_does_not_get_past_a_rollback(flags: FlagdFile) -> None:
    put_until(flags, FLAG, EVERYONE, 1, soon())
    flags.zero(FLAG, 2)
    with pytest.raises(NotTaken):
        flags.renew(FLAG, 1, soon())
    with pytest.raises(Fenced):
        put_until(flags, FLAG, EVERYONE, 1, soon())
    assert flags.read(FLAG).exposure == ZERO


def test_exposure_without_a_lease_has_no_end_and_cannot_be_given_one_by_renewing(flags: FlagdFile) -> None:
    put_until(flags, FLAG, EVERYONE, 1, soon())
    put(flags, FLAG, EVERYONE, 1)
    assert flags.read(FLAG).lease_until is None
    with pytest.raises(NotTaken):
        flags.renew(FLAG, 1, soon())


def test_an_end_that_was_changed_by_hand_is_no_exposure_of_ours(flags: FlagdFile) -> None:
    until = soon()
    put_until(flags, FLAG, EVERYONE, 1, until)
    path = Path(flags.path)
    seconds = int(until.timestamp())
    changed = path.read_text().replace(f"{seconds}\n", f"{seconds + 9_999}\n", 1)
    assert changed != path.read_text()
    path.write_text(changed)
    assert flags.read(FLAG).exposure is None
