"""Nobody is led to take somebody else's flag to zero so that a rollout can begin on its key."""

import json
from pathlib import Path

import pytest

from blocks.connections import OpenConnections
from blocks.flags.flagd.flagd_file import FlagdFile
from blocks.journal.block import Journal, RolloutRow
from engine.preflight.checks import preflight_checks, run_checks
from engine.rollout.identity import utc_now
from engine.rollout.open import NotAllowed, must_be_free, open_rollout
from tests.engine.world import DEAD
from tests.permits import put
from tests.tidegate.builders import ANN, PLAN
from tidegate.plan.pace import Pace, Timing
from tidegate.values.verdict import Verdict

MIGRATION = {
    "state": "ENABLED",
    "variants": {"OLD": "old", "DUAL_WRITE": "dual", "NEW": "new"},
    "defaultVariant": "DUAL_WRITE",
}
RAISED_BY_HAND = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}


@pytest.mark.parametrize("definition", [MIGRATION, RAISED_BY_HAND])
def test_a_flag_of_somebody_else_is_left_and_nobody_is_told_to_zero_it(
    tmp_path: Path, definition: dict[str, object]
) -> None:
    file = tmp_path / "flags.json"
    file.write_text(json.dumps({"flags": {PLAN.flag.key: definition}}))
    journal = Journal(url=f"sqlite:///{tmp_path / 'journal.db'}")
    via = OpenConnections(journal, FlagdFile(path=str(file)), DEAD)
    now = utc_now()
    checks = preflight_checks(via, PLAN, Timing(PLAN, Pace.of(now, None)), started_by=ANN, now=now)
    [found] = run_checks(tuple(check for check in checks if check.name == "flag"))
    assert found.verdict is Verdict.FAIL
    with pytest.raises(NotAllowed) as refused:
        open_rollout(via, PLAN, "r-1", started_by=ANN, pace=None, auto_approve=False, connection_set="default")
    for sentence in (found.sentence, str(refused.value)):
        assert "owner" in sentence
        assert "set it to zero" not in sentence
    assert json.loads(file.read_text())["flags"][PLAN.flag.key] == definition


def test_what_a_rollout_left_raised_names_that_rollout_and_never_the_one_that_is_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = FlagdFile(path=str(tmp_path / "flags.json"))
    via = OpenConnections(Journal(url=f"sqlite:///{tmp_path / 'journal.db'}"), flags, DEAD)
    now, key = utc_now(), PLAN.flag.key
    flags.fence(key, 1)
    put(flags, key, PLAN.exposure_at(1), 1)
    newest_first = [RolloutRow(f"r-{n}", key, now, ANN, is_open=n == 3) for n in (3, 2, 1)]
    monkeypatch.setattr(Journal, "rollouts", lambda _, flag, *, open_only=False: [] if open_only else newest_first)
    with pytest.raises(NotAllowed, match="what r-2 left there is taken back with `tidegate rollback r-2`"):
        must_be_free(via, PLAN, "r-3")
    checks = preflight_checks(via, PLAN, Timing(PLAN, Pace.of(now, None)), started_by=ANN, now=now)
    [found] = run_checks(tuple(check for check in checks if check.name == "flag"))
    assert "`tidegate rollback r-2`" in found.sentence
