"""What people see while a rollout runs: notices sent and a progress page kept fresh, both beside the loop."""

import contextvars
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from prefect.artifacts import create_markdown_artifact
from prefect.settings import PREFECT_API_URL

from engine.notices.background_worker import BackgroundWorker
from engine.notices.delivery import deliver, undelivered_messages
from engine.prefect_api.artifacts import artifact_key
from engine.rollout.session import OpenRollout, utc_now
from tidegate.journal.state import Phase
from tidegate.pages.progress_page import progress_page

_EVERY = timedelta(seconds=5)
_EVERY_WHILE_WAITING = timedelta(minutes=5)  # with no news: many rollouts may wait in one process, each page takes time
_WAITS = (Phase.GATE, Phase.POST_ROLLOUT)
# One thread for every rollout of the process, since hundreds of pages at once would hold up the guards; and not the
# one that sends, since Prefect's server may keep a call for minutes when it is away, and a page must not wait for it.
_SHOWING = BackgroundWorker()


class Reporter:
    """Sends notices and refreshes the artifact of one rollout from another thread; never in the loop's way."""

    def __init__(self, run: OpenRollout) -> None:
        self._origin = run
        self._copies: dict[str, OpenRollout] = {}
        # What is shown belongs to the run in Prefect that makes this.
        self._context = contextvars.copy_context()
        self._sending = BackgroundWorker()
        self._shown_at: datetime | None = None
        self._shown_phase, self._shown_sequence = "", 0
        self._queued = 0
        self._reported = ""

    def update(self, run: OpenRollout, now: datetime) -> None:
        """Ask for what is due; returns at once."""
        if len(run.state.notices.queued) != self._queued:
            self._queued = len(run.state.notices.queued)
            self._sending.do("notices", self._deliver)
            self._show_soon("report", self._show_report)
        state = run.state
        phase = f"{state.phase}{state.wave}"
        quiet = state.phase in _WAITS and state.sequence == self._shown_sequence
        every = _EVERY_WHILE_WAITING if quiet else _EVERY
        if phase != self._shown_phase or self._shown_at is None or now - self._shown_at >= every:
            self._shown_at, self._shown_phase, self._shown_sequence = now, phase, state.sequence
            self._show_soon("artifact", self._show)

    def flush(self) -> None:
        """Send and show the latest state, for at most ten seconds each."""
        self._sending.do("notices", self._deliver)
        self._show_soon("artifact", self._show)
        self._sending.flush()
        _SHOWING.flush()

    def conclude(self, run: OpenRollout) -> None:
        """The rollout is over: show that, send what is queued as `hand_over` does, and keep nothing for it."""
        self._show_soon("report", self._show_report)
        self._show_soon("artifact", self._show)
        self.hand_over(run)
        _reporters.pop(run.rollout, None)

    def hand_over(self, run: OpenRollout) -> None:
        """Before the claim goes, without which nobody may send: send what is queued, for at most ten seconds."""
        if undelivered_messages(run):
            self._sending.do("notices", self._deliver)
            self._sending.flush()

    def _show_soon(self, what: str, show: Callable[[], None]) -> None:
        _SHOWING.do(f"{what} of {self._origin.rollout}", partial(self._context.copy().run, show))

    def _copy(self, job: str) -> OpenRollout:
        # One for each thread; a rollout in hand is not shared.
        if job not in self._copies:
            self._copies[job] = self._origin.again()
        return self._copies[job]

    def _latest(self) -> OpenRollout:
        copy = self._copy("showing")
        copy.refresh()
        return copy

    def _deliver(self) -> None:
        try:
            left = deliver(self._copy("sending"))  # which reads what is new
        except Exception:
            self._queued = -1  # ask again at the next update
            raise
        if left:
            self._queued = -1

    def _show(self) -> None:
        if not _is_shown():
            return
        run = self._latest()
        key = artifact_key("rollout", run.rollout)
        page = progress_page(run.plan, run.state, run.timing, utc_now())
        create_markdown_artifact(page, key=key, description=f"Rollout {run.rollout} of {run.flag}")

    def _show_report(self) -> None:
        """The newest meeting's report as an artifact of its own; a later one replaces it."""
        if not _is_shown():
            return
        run = self._latest()
        reports = [notice for notice in run.state.notices.queued.values() if notice.get("report")]
        if reports and reports[-1]["event"] != self._reported:
            newest = reports[-1]
            key = artifact_key(newest["report"], run.rollout)
            create_markdown_artifact(newest["body"], key=key, description=newest["title"])
            self._reported = newest["event"]


def _is_shown() -> bool:
    """Whether a server is named; without one Prefect's client would start a temporary one in silence, for nobody."""
    return bool(PREFECT_API_URL.value())


_reporters: dict[str, Reporter] = {}


def reporter_for(run: OpenRollout) -> Reporter:
    """The one reporter that this process has for the rollout; two would send a notice twice."""
    if run.rollout not in _reporters:
        _reporters[run.rollout] = Reporter(run)
    return _reporters[run.rollout]


def let_go(rollout: str) -> None:
    """Keep nothing for a rollout that another process reports on from now on; what is queued is sent there."""
    _reporters.pop(rollout, None)
