"""Questions that several rollouts of one pass of the watch ask alike: asked once, at the pass's own instant."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from blocks.calls.bounded import seconds_left
from blocks.prometheus.answers import MetricAnswer
from tidegate.values.samples import AlertReading, NoData, NoDataReason

T = TypeVar("T")
_OURS = (NoDataReason.UNREACHABLE, NoDataReason.SLOW)  # what another attempt may be answered
_PATIENCE = 60.0  # where nothing around bounds the time, as nothing of a look is


class SharedAnswers:
    """The answers of one pass. What failed is shared with nobody: everyone else then asks for himself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[object, Future[tuple[bool, Any]]] = {}  # whether it may be shared, and the answer

    def ask(self, key: object, question: Callable[[], T]) -> T:
        """The answer to `key`, which says all of the question, its instant included; nobody may change it."""
        with self._lock:
            known = self._asked.get(key)
            if known is None:
                mine: Future[tuple[bool, Any]] = Future()
                self._asked[key] = mine
        if known is not None:
            try:
                # Whoever asked it is waiting for Prometheus, in a thread of his own.
                is_good, theirs = known.result(max(0.0, seconds_left(_PATIENCE)))
            except TimeoutError:
                return question()
            return theirs if is_good else question()
        try:
            answer = question()
        except BaseException:
            mine.set_result((False, None))
            raise
        mine.set_result((_was_answered(answer), answer))
        return answer


def shared(answers: SharedAnswers | None, key: object, question: Callable[[], T]) -> T:
    """`ask` where there is a pass to share with, else the question."""
    return question() if answers is None else answers.ask(key, question)


def _was_answered(answer: object) -> bool:
    parts = answer.values() if isinstance(answer, Mapping) else (answer,)
    problems = (part.problem if isinstance(part, AlertReading | MetricAnswer) else part for part in parts)
    return not any(isinstance(problem, NoData) and problem.reason in _OURS for problem in problems)
