"""Turns: what is due for each rollout from time to time, spread over them where a process has hundreds."""

from datetime import datetime, timedelta


class RateLimiter:
    """A turn for each rollout `every` so often; less often where that would bring two closer together than `apart`.

    The first that come have their turn at once, those behind them one after the other. Nobody waits longer than
    `at_most`, however many there are.
    """

    def __init__(self, every: timedelta, apart: timedelta, at_most: timedelta) -> None:
        self._every, self._apart, self._at_most = every, apart, at_most
        self._due: dict[str, datetime] = {}

    def has_come(self, rollout: str, now: datetime) -> bool:
        """Whether it is this rollout's turn, which is over by asking."""
        every = min(self._at_most, max(self._every, self._apart * len(self._due)))
        if rollout not in self._due:
            before_it = len(self._due) + 1 - self._every // self._apart
            self._due[rollout] = now + self._apart * max(0, before_it) % self._at_most
        if now < self._due[rollout]:
            # A clock that was set back does not put it off for long.
            self._due[rollout] = min(self._due[rollout], now + every)
            return False
        self._due[rollout] = now + every
        return True

    def forget(self, rollout: str) -> None:
        """It needs no turns any more."""
        self._due.pop(rollout, None)
