"""Rounds of guards: every rollout is looked at in each, and one whose look hangs keeps no other from its own."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from engine.rollout.session import OpenRollout

_MOST_AT_ONCE = 32  # most of a guard is waiting for answers


class GuardRounds:
    """The looks under way; a rollout is in one thread's hands at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=_MOST_AT_ONCE, thread_name_prefix="guard")
        self._under_way: dict[str, Future[bool]] = {}

    def guard(self, runs: Iterable[OpenRollout], look: Callable[[OpenRollout], bool], seconds: float) -> int:
        """Begin a look at each rollout whose last one has ended; how many looks were made by the end of `seconds`.

        What has not ended by then goes on, and counts in a later round.
        """
        for run in runs:
            if run.rollout not in self._under_way:
                self._under_way[run.rollout] = self._pool.submit(look, run)
        ended, _ = wait(self._under_way.values(), timeout=seconds)
        done = [name for name, looked in self._under_way.items() if looked in ended]
        return sum(self._under_way.pop(name).result() for name in done)

    def is_under_way(self, rollout: str) -> bool:
        """Whether a thread still has the rollout in its hands."""
        return rollout in self._under_way

    def end(self) -> None:
        """Begin no more looks; what hangs is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)
