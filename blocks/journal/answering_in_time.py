"""A connection to PostgreSQL on which no answer is waited for without end.

PostgreSQL's own time-outs are kept by its server: one that is frozen, or a proxy that swallows all, has none.
"""

from collections.abc import Generator
from time import monotonic
from typing import Any, TypeVar

import psycopg

T = TypeVar("T")
SPARE_SECONDS = 1.0  # longer than the server's own time-outs, so that a plain one is reported by it


class SilentServer(psycopg.OperationalError):
    """The server did not answer at all."""

    is_silence = True  # known by this, where the driver may not be there


class AnsweringInTime(psycopg.Connection[Any]):
    """A connection that is closed when an answer takes too long; raises SilentServer then."""

    answers_within = 5 + SPARE_SECONDS

    def wait(self, gen: Generator[Any, Any, T], *given: Any, **named: Any) -> T:
        """As psycopg's, which everything that it asks of the server goes through."""
        return super().wait(self._in_time(gen), *given, **named)

    def _in_time(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        # Psycopg wakes a generator that waits several times a second, whether or not anything has come.
        ends = monotonic() + self.answers_within
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if monotonic() >= ends:
                    self.pgconn.finish()
                    raise SilentServer(f"it did not answer within {self.answers_within:.3g} s")
                wanted = gen.send(ready)
        except StopIteration as over:
            answer: T = over.value
            return answer


def connect_in_time(timeout_seconds: float, *given: Any, **named: Any) -> AnsweringInTime:
    """A connection to a server whose own time-outs are these; raises SilentServer."""
    try:
        connection = AnsweringInTime.connect(*given, **named)
    except psycopg.errors.ConnectionTimeout as late:
        raise SilentServer(str(late)) from late
    connection.answers_within = timeout_seconds + SPARE_SECONDS
    return connection
