"""Prove: measure that nobody is routed to the new path any more."""

from collections.abc import Callable
from functools import partial

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from engine.rollback.rollback import RollbackProof, prove, prove_again
from engine.rollback.zero import Zeroed
from engine.rollout.session import OpenRollout
from tidegate.pages.wave_outcome import rollback_words


class _Proof:
    """A rollback to prove, and its proof; opaque to Prefect."""

    def __init__(self, run: OpenRollout, measure: Callable[[], RollbackProof | None]) -> None:
        self.run, self.name, self.measure = run, run.rollout, measure
        self.proof: RollbackProof | None = None

    def __repr__(self) -> str:
        return self.name


def proven(run: OpenRollout) -> RollbackProof | None:
    """The proof of the rollback under way; None when it was recorded before."""
    order = _Proof(run, partial(prove, run))
    prove_rollback(order)
    return order.proof


def proven_again(run: OpenRollout, zeroed: Zeroed, *, by: str) -> RollbackProof | None:
    """The proof of a zero that was ordered once more, after the rollout had ended."""
    order = _Proof(run, partial(prove_again, run, zeroed, by=by))
    prove_rollback(order)
    return order.proof


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
    order.proof = order.measure()
    words = rollback_words(order.run.plan, order.run.state)
    if order.proof is None:
        return Completed(message=f"Recorded before. {words}")
    if order.proof.proven:
        return Completed(message=f"{order.proof.sentence} {words}")
    return Failed(name="NotProven", message=f"{order.proof.sentence} {words}")
