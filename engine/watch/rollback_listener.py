"""Rollbacks ordered in Prefect are heard by the watch: zero is written while their own run's process still starts.

The run does all else, and writes zero itself where no watch lives. Prefect is asked beside the watch's loop.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from blocks.connections import OpenConnections
from blocks.errors import ConnectionFault
from engine.prefect_api.runs import FlowRunSeen, runs_that_start
from engine.prefect_api.work_pools import ROLLBACK_POOL
from engine.rollback.rollback import roll_back
from engine.rollback.rollback_possible import RollbackImpossible, check_rollback_possible
from engine.rollout.resolve_rollout import NotOne, the_open_rollout
from engine.rollout.session import OpenRollout, UnknownRollout

EVERY_SECONDS = 0.5
_WAITED_SECONDS = 5.0
Starting = Callable[[str, str], Iterable[FlowRunSeen]]
_log = logging.getLogger("tidegate.watch")


@dataclass(frozen=True, slots=True)
class RollbackRequest:
    """What the form of a rollback's run says."""

    rollout: str
    reason: str
    by: str
    anyway: bool
    connections: str

    @classmethod
    def of(cls, given: dict[str, Any]) -> "RollbackRequest | None":
        """The order for zero that these parameters are; None for a step back, for more, or anything not understood."""
        known = {name: given.get(name, "") for name in ("rollout", "reason", "by", "connections")}
        if given.get("to_wave") or given.get("full") or not all(isinstance(value, str) for value in known.values()):
            return None
        reason = known["reason"] or "Ordered in the Prefect UI."
        by = known["by"] or "somebody in the Prefect UI"
        return cls(known["rollout"], reason, by, given.get("anyway") is True, known["connections"])


class RollbackListener:
    """Hears the rollback orders that Prefect's server knows, each once."""

    def __init__(
        self, via: OpenConnections, starting: Starting = runs_that_start, every_seconds: float = EVERY_SECONDS
    ) -> None:
        self._via, self._starting, self._every = via, starting, every_seconds
        self._heard: set[str] = set()
        self._over = threading.Event()

    def start(self) -> None:
        """Listen, in a thread that does not keep the process from ending."""
        threading.Thread(target=self._listen, name="hearing", daemon=True).start()

    def end(self) -> None:
        """Listen no more."""
        self._over.set()

    def listen_once(self) -> list[str]:
        """The rollouts that were rolled back for orders not heard before; raises Unreachable without Prefect."""
        begun: list[tuple[threading.Thread, list[str]]] = []
        for seen in self._starting("rollback", ROLLBACK_POOL):
            if seen.id in self._heard:
                continue
            self._heard.add(seen.id)
            order = RollbackRequest.of(seen.parameters)
            if order is not None:
                # Each in a thread of its own: a flag that hangs holds up no other order, nor hearing the next one.
                turned: list[str] = []
                obeys = partial(self._obey_aside, order, seen.created, turned)
                thread = threading.Thread(target=obeys, name=f"rollback {order.rollout}", daemon=True)
                thread.start()
                begun.append((thread, turned))
        until = time.monotonic() + _WAITED_SECONDS
        for thread, _ in begun:
            thread.join(max(0.0, until - time.monotonic()))
        return [name for _, turned in begun for name in turned]

    def _obey_aside(self, order: RollbackRequest, ordered_at: datetime, turned: list[str]) -> None:
        try:
            if name := self._obey(order, ordered_at):
                turned.append(name)
        except Exception:  # noqa: BLE001 - without it a rollback still has its own run
            _log.exception("a rollback that was ordered is left to its own run")

    def _obey(self, order: RollbackRequest, ordered_at: datetime) -> str:
        try:
            name = order.rollout or the_open_rollout(self._via.journal, ordered_at=ordered_at)
            check_rollback_possible(self._via.journal, rollout=name, anyway=order.anyway)
            run = OpenRollout(self._via, name)
        except (NotOne, RollbackImpossible, UnknownRollout, ConnectionFault, ValueError) as unclear:
            _log.info("a rollback is left to its own run: %s", unclear)
            return ""
        # One server may serve several sets of connections; an order for another set means another flag.
        if order.connections != run.state.connections:
            return ""
        opened = run.state.opened_at
        # An order that is older than the rollout was meant for another one; what has ended is its own run's business.
        if run.state.is_ending or opened is None or ordered_at < opened:
            return ""
        roll_back(run, reason=order.reason, criterion="by hand", by=order.by)
        try:
            run.release_claim()
        except ConnectionFault as fault:
            _log.info("the claim of %s runs out by itself: %s", run.flag, fault)
        return name

    def _listen(self) -> None:
        while not self._over.wait(self._every):
            try:
                self.listen_once()
            except Exception as error:  # noqa: BLE001 - without it a rollback still has its own run
                _log.info("rollback orders cannot be heard: %s", error)
