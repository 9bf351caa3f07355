"""Work of a rollback is done once, and done all the same where the task run that shows it breaks."""

import pytest

from blocks.errors import Fenced
from tasks.shown_work import ShownWork, do_shown


class Breaks(Exception):
    """What Prefect raises where its server, or its engine, is not as it should be."""


@pytest.mark.parametrize("when", ["before", "behind"])
def test_work_is_done_once_whatever_breaks_in_showing_it(when: str) -> None:
    done: list[str] = []

    def do() -> str | None:
        done.append("done")
        return None  # a result, too: a proof that was recorded before

    def breaking(work: ShownWork[str | None]) -> None:
        if when == "behind":
            work.result()
        raise Breaks

    assert do_shown(ShownWork("a proof", do), breaking) is None
    assert done == ["done"]


def test_what_the_work_raises_is_raised() -> None:
    def lost() -> str:
        raise Fenced("somebody else has the claim")

    with pytest.raises(Fenced):
        do_shown(ShownWork("a proof", lost), lambda work: work.result())


def test_a_rollback_is_proven_although_prefect_cannot_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import tasks.prove_rollback as module

    def breaking(_: object) -> None:
        raise Breaks

    monkeypatch.setattr(module, "prove_rollback", breaking)
    monkeypatch.setattr(module, "prove", lambda run: f"proof of {run.rollout}")

    class Run:
        rollout = "r-1"

    assert module.proven(Run()) == "proof of r-1"
