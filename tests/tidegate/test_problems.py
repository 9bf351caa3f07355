"""Which incidents are closed by the journal's account, and which stand."""

import pytest

from tests.tidegate.builders import ANN, Journal, in_wave
from tidegate.journal.kinds import Kind
from tidegate.notices.incidents import open_pages, settled_pages, taken_pages
from tidegate.notices.notice import Loudness, Notice


def paged(problem: str, journal: Journal | None = None) -> Journal:
    notice = Notice(f"page-{problem}", "small-1", Loudness.PAGE, "Title", "Body", problem)
    return (journal or in_wave()).extend((Kind.QUEUED, {"notice": notice.to_json()}))


@pytest.mark.parametrize(
    ("problem", "more", "over"),
    [
        ("drift", [(Kind.HELD, {"cause": "drift"})], False),
        ("drift", [], True),
        ("drift", [(Kind.HELD, {"cause": "drift"}), (Kind.RESUMED, {"cause": "drift"})], True),
        ("drift", [(Kind.HELD, {"cause": "drift"}), (Kind.ROLLING_BACK, {})], True),
        ("gate_timeout", [(Kind.HELD, {"cause": "gate_timeout"}), (Kind.CLOSED, {})], True),
        ("rollback", [(Kind.ROLLING_BACK, {})], False),
        ("proof", [(Kind.ROLLING_BACK, {}), (Kind.PROVEN, {"proven": False})], False),
        ("proof", [(Kind.ROLLING_BACK, {}), (Kind.PROVEN, {})], True),
        ("abandoned", [(Kind.ORPHANED, {})], False),
        ("abandoned", [(Kind.ORPHANED, {}), (Kind.SOAKED, {"wave": 1})], True),
        ("something new", [(Kind.CLOSED, {})], False),
    ],
)
def test_whether_a_problem_is_over(problem: str, more: list[tuple[Kind, dict[str, str]]], over: bool) -> None:
    state = paged(problem).extend(*more).state
    assert set(open_pages(state)) == {problem}
    assert [page.problem for page in settled_pages(state)] == [problem] * over


def test_what_was_resolved_is_settled_once_and_paged_anew_it_is_open_again() -> None:
    journal = paged("drift")
    over = Notice("over", "small-1", Loudness.PAGE, "Title", "Body", "drift", resolves=True)
    journal.append(Kind.QUEUED, {"notice": over.to_json()})
    assert list(settled_pages(journal.state)) == []
    again = Notice("again", "small-1", Loudness.PAGE, "Title", "Body", "drift")
    journal.append(Kind.QUEUED, {"notice": again.to_json()})
    assert [page.event for page in settled_pages(journal.state)] == ["again"]


@pytest.mark.parametrize(("reason", "taken"), [(f"{ANN}: I look", ["drift"]), ("its run was cancelled", [])])
def test_a_page_is_taken_in_hand_by_a_person_who_holds(reason: str, taken: list[str]) -> None:
    journal = paged("drift").extend((Kind.HELD, {"cause": "drift"}))
    assert list(taken_pages(journal.state)) == []
    journal.append(Kind.HELD, {"cause": "operator", "reason": reason})
    assert [page.problem for page in taken_pages(journal.state)] == taken
