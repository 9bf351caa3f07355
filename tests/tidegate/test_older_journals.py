"""An upgrade in mid-rollout: what an earlier release wrote is read by this one, and leads to the same next step."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from tidegate.journal.entries import Entry, Kind, broken_links, link_of
from tidegate.journal.fold import fold
from tidegate.journal.state import Phase
from tidegate.plan.model import Plan
from tidegate.plan.pace import Pace, Timing
from tidegate.rollout.next_step import RunWave, next_step

JOURNALS = sorted((Path(__file__).parent / "journals").glob("*.json"))


def entries(path: Path) -> list[Entry]:
    rows = json.loads(path.read_text())
    return [Entry(**row | {"at": datetime.fromisoformat(row["at"]), "kind": Kind(row["kind"])}) for row in rows]


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem)
def test_a_rollout_begun_by_an_earlier_release_goes_on(path: Path) -> None:
    written = entries(path)
    assert list(broken_links(map(link_of, written))) == []
    state = fold(written)
    assert (state.phase, state.wave, state.approved_wave) == (Phase.WAVE, 2, 2)
    assert state.waves[1].soaked_at is not None
    assert len(state.waves[1].reviews) == 4
    assert [healthy for _, healthy in state.waves[2].reviews] == [True, False]
    assert (state.holds, state.rollback) == ({}, None)
    assert next_step(state) == RunWave(2)
    plan = Plan.model_validate(state.plan)
    assert plan.exposure_at(2) == state.exposure
    # The approvals given under the stored hash stand, whatever this release would make of the plan.
    assert state.plan_hash == written[0].body["plan_hash"]
    timing = Timing(plan, Pace(written[0].at))
    assert timing.soak(2) == plan.waves[1].soak


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem)
def test_every_beginning_of_it_is_read(path: Path) -> None:
    written = entries(path)
    for length in range(1, len(written) + 1):
        assert fold(written[:length]).sequence == length
