"""An upgrade in mid-rollout: what an earlier release wrote is read by this one, and leads to the same next step."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.entries import (
    Entry,
    broken_behind,
    broken_links,
    canonical,
    entry_hash,
    link_of,
    make_entry,
    stamp,
)
from tidegate.journal.fold import fold
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.plan.model import stored_plan
from tidegate.plan.pace import Pace, Timing
from tidegate.rollout.next_step import RunWave, next_step
from tidegate.values.older_words import HOLD_CAUSES

JOURNALS = sorted((Path(__file__).parent / "journals").glob("*.json"))


def entries(path: Path) -> list[Entry]:
    rows = json.loads(path.read_text())
    return [_entry(row, datetime.fromisoformat(row.pop("at")), row.pop("kind"), row.pop("body")) for row in rows]


def _entry(row: dict[str, Any], at: datetime, kind: str, said: dict[str, Any]) -> Entry:
    # As the journal's rows are read: hashed by the words that are stored, whatever they are called now.
    stored = entry_hash(
        row["rollout"], row["sequence"], stamp(at), kind, row["version"], canonical(said), row["previous"]
    )
    return Entry(at=at, kind=Kind(kind), json=said, stored=stored, **row)


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem)
def test_a_rollout_begun_by_an_earlier_release_goes_on(path: Path) -> None:
    written = entries(path)
    assert list(broken_links(map(link_of, written))) == []
    state = fold(written)
    assert (state.phase, state.wave, state.votes.approved_wave) == (Phase.WAVE, 2, 2)
    assert state.waves[1].soaked_at is not None
    assert len(state.waves[1].reviews) == 4
    assert [healthy for _, healthy in state.waves[2].reviews] == [True, False]
    assert (state.holds, state.rollback) == ({}, None)
    assert next_step(state) == RunWave(2)
    plan = stored_plan(state.plan)
    assert plan.exposure_at(2) == state.exposure
    # The approvals given under the stored hash stand, whatever this release would make of the plan.
    assert state.plan_hash == written[0].json["plan_hash"]
    timing = Timing(plan, Pace(written[0].at))
    assert timing.soak(2) == plan.waves[1].soak


def test_words_that_changed_are_read_as_what_they_are_called_now() -> None:
    [path] = [path for path in JOURNALS if path.stem == "before-amendments"]
    kinds = [entry.kind for entry in entries(path)]
    assert {Kind.NO_DATA_STARTED, Kind.NO_DATA_ENDED} <= set(kinds)
    assert HoldCause("blind_spent") is HoldCause.NO_DATA_BUDGET_SPENT
    with pytest.raises(ValueError, match="whim"):
        HoldCause("whim")


@pytest.mark.parametrize("cause", HOLD_CAUSES)
def test_a_hold_for_a_cause_by_its_older_word_is_one(cause: str) -> None:
    [path] = [path for path in JOURNALS if path.stem == "before-amendments"]
    written = entries(path)
    last = written[-1]
    said = {"cause": cause, "reason": "nothing was measured", "by": "tidegate"}
    held = make_entry(last.rollout, last.sequence + 1, last.at, Kind.HELD, said, last.hash)
    assert fold([*written, held]).holds == {HoldCause(cause): "nothing was measured"}
    assert broken_behind(held, last.sequence, last.hash) == ""


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem)
def test_every_beginning_of_it_is_read(path: Path) -> None:
    written = entries(path)
    for length in range(1, len(written) + 1):
        assert fold(written[:length]).sequence == length
