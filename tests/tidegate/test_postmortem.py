"""The post-mortem's draft: from the journal alone, with nothing of theirs breaking out of its place."""

import pytest

from tests.tidegate.builders import MINUTE, in_wave, opened, reviews
from tidegate.journal.kinds import Kind
from tidegate.reports.postmortem import postmortem


def test_a_rollout_that_went_well_has_none() -> None:
    with pytest.raises(ValueError, match="was not rolled back"):
        postmortem(opened().entries)


def test_the_draft_tells_what_happened_and_what_is_left_to_write() -> None:
    journal = in_wave()
    reviews(journal, 1, [True, False], 15 * MINUTE)
    journal.append(Kind.ROLLING_BACK)
    journal.append(Kind.STEP)
    journal.append(Kind.STEP, {"number": 2, "step": "restore", "text": "Restore", "outcome": "asked", "output": "Old."})
    journal.append(Kind.PROVEN)
    draft = postmortem(journal.entries)
    assert draft.startswith("# Post-mortem of A small plan (draft)")
    assert "**Too many errors.** Ordered by tidegate" in draft
    assert "in wave 1 of 2. Exposed by then: 10% of staff, since 2026-03-02 17:00:00 UTC." in draft
    assert "| Flag at zero | 0.0 s |" in draft
    assert "- 1. Stop it: done. stopped" in draft
    assert "- 2. Restore: NOT done, it waits for a confirmation. Old." in draft
    assert "raised: wave 1: exposure 10% of staff, read back" in draft
    for heading in ("Cause", "Impact", "What went well", "What did not", "Actions", "Timeline (UTC)"):
        assert f"## {heading}\n" in draft
    assert postmortem(journal.entries) == draft


def test_what_others_wrote_stays_in_its_cell() -> None:
    journal = in_wave()
    nasty = "fine | really\n\n# Finished <script>x</script>"
    journal.append(Kind.ROLLING_BACK, {"reason": nasty, "by": nasty})
    journal.append(Kind.STEP, {"output": nasty})
    draft = postmortem(journal.entries)
    assert "<script>" not in draft
    assert not [line for line in draft.splitlines() if line.startswith("# Finished")]
    rows = [line for line in draft.splitlines() if line.startswith("|")]
    assert all(row.replace("\\|", "").count("|") == 3 for row in rows)
