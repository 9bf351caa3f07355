"""Prove: measure that nobody is routed to the new path any more."""

from collections.abc import Callable
from functools import partial

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from engine.rollback.proof import RollbackProof
from engine.rollback.rollback import prove, prove_again
from engine.rollback.zero import Zeroed
from engine.rollout.session import OpenRollout
from tasks.shown_work import ShownWork, do_shown
from tidegate.pages.wave_outcome import rollback_words


class _Proof(ShownWork[RollbackProof | None]):
    """The proof of this rollout's rollback."""

    def __init__(self, run: OpenRollout, measure: Callable[[], RollbackProof | None]) -> None:
        super().__init__(run.rollout, measure)
        self.run = run


def proven(run: OpenRollout) -> RollbackProof | None:
    """The proof of the rollback under way, shown as a task run; None when it was recorded before."""
    return do_shown(_Proof(run, partial(prove, run)), prove_rollback)


def proven_again(run: OpenRollout, zeroed: Zeroed, *, by: str) -> RollbackProof | None:
    """The proof of a zero that was ordered once more, after the rollout had ended, shown as a task run."""
    return do_shown(_Proof(run, partial(prove_again, run, zeroed, by=by)), prove_rollback)


@task(
    name="prove rollback",
    task_run_name="{order.name}: prove the rollback",
    description="Watch the counter of routing decisions to the new path until it stands still, or the deadline passes.",
    retries=0,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def prove_rollback(order: _Proof) -> State:
    """The proof with its figures; failed where it is missing, as people are paged then."""
    proof = order.result()
    words = rollback_words(order.run.plan, order.run.state)
    if proof is None:
        return Completed(message=f"Recorded before. {words}")
    if proof.proven:
        return Completed(message=f"{proof.sentence} {words}")
    return Failed(name="NotProven", message=f"{proof.sentence} {words}")
