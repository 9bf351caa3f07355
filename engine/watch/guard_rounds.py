"""Rounds of guards: every rollout is looked at in each, and one whose look hangs keeps no other from its own.

Rollouts are claimed, read, released and noted many at a time, and ask the same questions once; see `PassClaims`.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime
from time import monotonic

from blocks.journal.many_claims import ClaimFound
from engine.measuring.shared_answers import SharedAnswers
from engine.rollout.session import OpenRollout, utc_now
from engine.watch.pass_claims import PassClaims

_MOST_AT_ONCE = 32  # most of a guard is waiting for answers
_TOGETHER = 50  # rollouts that are claimed at once: a claim is not held for much longer than its look takes
_PATIENCE = 1.0  # seconds that those still looking are waited for before the next are claimed
Look = Callable[[OpenRollout, datetime, ClaimFound | None], bool]


class GuardRounds:
    """The looks under way; a rollout is in one thread's hands at a time."""

    def __init__(self, claims: PassClaims) -> None:
        self._claims = claims
        self._pool = ThreadPoolExecutor(max_workers=_MOST_AT_ONCE, thread_name_prefix="guard")
        self._under_way: dict[str, Future[bool]] = {}

    def guard(self, runs: Iterable[OpenRollout], look: Look, seconds: float) -> int:
        """Begin a look at each rollout whose last one has ended; how many looks were made by the end of `seconds`.

        What has not ended by then goes on, and counts in a later round.
        """
        until = monotonic() + seconds
        waiting = [run for run in runs if run.rollout not in self._under_way]
        for first in range(0, len(waiting), _TOGETHER):
            begun = self._begin(waiting[first : first + _TOGETHER], look)
            wait(begun, timeout=max(0.0, min(_PATIENCE, until - monotonic())))
            self._claims.end()
        ended, _ = wait(self._under_way.values(), timeout=max(0.0, until - monotonic()))
        self._claims.end()
        done = [name for name, looked in self._under_way.items() if looked in ended]
        return sum(self._under_way.pop(name).result() for name in done)

    def _begin(self, runs: Sequence[OpenRollout], look: Look) -> list[Future[bool]]:
        found = self._claims.take(runs)
        # One instant for all of them: only then do they ask the same.
        now, answers = utc_now(), SharedAnswers()
        for run in runs:
            run.shared = answers
            self._under_way[run.rollout] = self._pool.submit(look, run, now, found.get(run.rollout))
        return [self._under_way[run.rollout] for run in runs]

    def is_under_way(self, rollout: str) -> bool:
        """Whether a thread still has the rollout in its hands."""
        return rollout in self._under_way

    def end(self) -> None:
        """Begin no more looks; what hangs is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._claims.end()
