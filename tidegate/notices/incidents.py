"""Problems that people were paged about, and whether they still stand."""

from collections.abc import Iterator

from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.state import RolloutState
from tidegate.notices.notice import Loudness, Notice

RAISED = "raised"  # somebody raised a flag after its rollback
_CAUSES = frozenset(cause.value for cause in HoldCause)


def open_pages(state: RolloutState) -> dict[str, Notice]:
    """The newest page of each problem that nothing has resolved yet."""
    pages: dict[str, Notice] = {}
    for body in state.notices.queued.values():
        if body.get("loudness") != Loudness.PAGE or not body.get("problem"):
            continue
        notice = Notice.from_json(body)
        pages.pop(notice.problem, None)
        if not notice.resolves:
            pages[notice.problem] = notice
    return pages


def settled_pages(state: RolloutState) -> Iterator[Notice]:
    """The pages whose problem is over by the journal's account, and whose incident can be closed."""
    return (notice for problem, notice in open_pages(state).items() if not _stands(state, problem))


def taken_pages(state: RolloutState) -> Iterator[Notice]:
    """The pages whose problem still stands while a person holds the rollout: somebody has taken it in hand."""
    held_by, _, _ = state.holds.get(HoldCause.OPERATOR, "").partition(":")
    if "@" not in held_by:
        return iter(())
    pages = open_pages(state).items()
    return (page for problem, page in pages if problem != HoldCause.OPERATOR and _stands(state, problem))


def _stands(state: RolloutState, problem: str) -> bool:
    if problem in _CAUSES:
        return problem in state.holds and not state.goes_no_further
    match problem:
        case "proof":
            return state.rollback is None or not state.rollback.proven
        case "raise":
            return state.unfinished is not None and not state.goes_no_further
        case "abandoned":
            return state.orphaned > 0 and not state.goes_no_further
        case _:
            # A rollback's page is resolved by its proof, and what this release does not know is left open.
            return True
