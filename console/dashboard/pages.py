"""The pages as HTML, rendered here and escaped throughout; the changing part of a page is rendered once for all."""

import re
import shlex
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL

from console.dashboard.changes import Splice, changes
from console.dashboard.charts.event_marks import marked
from console.dashboard.charts.metric_chart import chart
from console.dashboard.charts.ratio_chart import ratio_chart
from console.dashboard.doctor_page import DoctorPage
from console.dashboard.gate_costs import gate_costs
from console.dashboard.workers import Workers
from console.live.rollout_cache import FRESH_SECONDS, Board
from engine.rollout.session import utc_now
from tidegate.gates.statements import field_name
from tidegate.journal.kinds import Kind
from tidegate.pages.tables import MARKS
from tidegate.values.verdict import Verdict
from tidegate.views.course import Event
from tidegate.views.health import unless_nobody_carries
from tidegate.views.view import RolloutView

HERE = Path(__file__).parent
MOST_ENDED = 50
_RUN = re.compile(r"[0-9a-f-]{36}")
MOST_EVENTS = 40
REFRESH_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Live:
    """The changing part of a page: its HTML, what of it is worth saying aloud, and which orders are possible."""

    html: str
    more: str
    headline: str
    orders: str
    key: str
    title: str
    tone: str

    def event(self, sent: "Live | None") -> dict[str, Any]:
        """What a page gets that has `sent`, or nothing yet: all of it, or how it has changed."""
        said: dict[str, Any] = {"headline": self.headline, "orders": self.orders, "title": self.title}
        said["tone"] = self.tone
        if sent is None:
            return said | {"html": self.html, "more": self.more}
        splices: dict[str, list[Splice]] = {
            "html": changes(sent.html, self.html),
            "more": changes(sent.more, self.more),
        }
        # A browser that has another length afterwards asks for all of it again.
        return said | {"splices": splices, "length": _length(self.html + self.more)}


def _length(text: str) -> int:
    """As a browser counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    made.filters["ratio_chart"] = lambda one: Markup(ratio_chart(one))  # noqa: S704 - as the chart
    made.filters["chart"] = lambda metric, events=(): Markup(chart(metric, events))  # noqa: S704 - the chart escapes its texts
    made.filters["marked"] = marked
    made.filters["field_name"] = field_name
    made.filters["mark"] = lambda verdict: MARKS[Verdict(verdict)]
    # Where an address has to be broken, it is after its @.
    made.filters["addresses"] = lambda text: Markup(str(escape(text)).replace("@", "@<wbr>"))  # noqa: S704 - escaped before
    made.filters["moment"] = lambda at: "" if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"
    made.filters["prefect_run"] = prefect_run
    made.globals.update(most_events=MOST_EVENTS, refresh_seconds=REFRESH_SECONDS)
    return made


class Pages:
    """Renders what the board knows; a rollout's changing part at most once a second, however many look."""

    def __init__(
        self, board: Board, clock: Callable[[], float] = time.monotonic, workers: Workers | None = None
    ) -> None:
        self.board, self._workers = board, workers or Workers()
        self._doctor = DoctorPage()
        self._environment = _environment()
        self._clock, self._lock = clock, threading.Lock()
        self._live: dict[str, tuple[float, Live]] = {}

    def rollout(self, name: str, **session: Any) -> str:
        """A rollout's page for one session."""
        seen = self.board.of(name)
        view, stale = self._carried(seen.view), _stale(seen.stale_since)
        return self._render("rollout.html", view=view, live=self.live(name), stale=stale, **session)

    def orders(self, name: str, **session: Any) -> str:
        """The forms of a rollout's page for one session."""
        return self._render("orders.html", view=self.board.of(name).view, **session)

    def rollouts(self, **session: Any) -> str:
        """The list of all rollouts."""
        return self._render("rollouts.html", live=self.live(""), **session)

    def decide(self, name: str, **session: Any) -> str:
        """The forms alone, on a page that never loads itself anew: for browsers without scripts."""
        return self._render("decide.html", view=self._carried(self.board.of(name).view), **session)

    def gate(self, name: str, **session: Any) -> str:
        """The gate that waits, with its evidence open, as notices link it."""
        seen = self.board.of(name)
        view, run = self._carried(seen.view), seen.run
        costs = gate_costs(run.plan, run.state, run.timing, seen.course, utc_now()) if view.gate else ()
        since = _since_the_last_gate(view)[:MOST_EVENTS]
        return self._render("gate.html", view=view, since=since, costs=costs, **session)

    def doctor(self, **session: Any) -> str:
        """What would stop a rollout, each with its remedy."""
        lines = self._doctor.lines()
        return self._render("doctor.html", lines=lines, stops=sum(x.state == "stops" for x in lines), **session)

    def message(self, title: str, sentence: str, rollout: str = "") -> str:
        """A page that says one thing, with the command that needs no page where an order for a rollout was refused."""
        return self._render("message.html", title=title, sentence=sentence, rollout=rollout, person="")

    def signed_out(self, address: str) -> str:
        """The page after signing out; `address` is where the provider's own session is ended, where it has one."""
        return self._render("signed_out.html", address=address, person="")

    def once_more(self, sentence: str, rollout: str, order: str, typed: Mapping[str, str], **session: Any) -> str:
        """A form that was not taken, with all that was typed into it, to be sent once more."""
        return self._render(
            "once_more.html",
            sentence=sentence,
            rollout=rollout,
            order=order,
            typed=typed,
            command=_by_hand(rollout, typed),
            **session,
        )

    def live(self, name: str) -> Live:
        """The changing part of a rollout's page, or of the list for an empty name."""
        with self._lock:
            found = self._live.get(name)
        if found is not None and self._clock() - found[0] < FRESH_SECONDS:
            return found[1]
        made = self._rollout(name) if name else self._list()
        with self._lock:
            self._live[name] = (self._clock(), made)
        return made

    def renew(self, name: str) -> None:
        """Render this rollout anew at the next look."""
        self.board.renew(name)
        with self._lock:
            self._live.pop(name, None)

    def _rollout(self, name: str) -> Live:
        seen = self.board.of(name)
        view, stale = self._carried(seen.view), _stale(seen.stale_since)
        allowed, gate = view.allowed, view.gate
        asked = f"{gate.wave}.{gate.attempt}.{sum(not s.by for s in gate.statements)}" if gate else "-"
        orders = f"{allowed.resume}{allowed.hold}{allowed.rollback}{allowed.decide}{asked}"
        workers = self._workers.problems() if view.is_open else ""
        headline = f"{view.status.word}. Wave {view.wave_words}. Exposure {view.exposure}. {stale} {workers}".strip()
        return Live(
            self._render("now.html", view=view, stale=stale, workers=workers),
            self._render("more.html", view=view),
            headline,
            orders,
            f"{seen.course.sequence} {headline} {orders}",
            f"{view.status.symbol} {view.status.word} - {view.rollout}",
            view.status.tone.value,
        )

    def _list(self) -> Live:
        views = [self._carried(seen.view) for seen in self.board.newest(MOST_ENDED)]
        stale = _stale(self.board.stale_since)
        hidden = self.board.hidden(MOST_ENDED)
        unreadable, workers = self.board.unreadable, self._workers.problems()
        html = self._render(
            "list.html", views=views, stale=stale, workers=workers, hidden=hidden, unreadable=unreadable
        )
        said = ". ".join(f"{v.rollout}: {v.status.word}" for v in views if v.is_open) or "No rollout is open"
        key = "".join(f"{v.rollout}{v.head}{v.status}" for v in views) + "".join(unreadable) + stale + workers
        return Live(html, "", f"{said}. {stale} {workers}".strip(), "", key, "Tidegate", _worst_tone(views))

    def _carried(self, view: RolloutView) -> RolloutView:
        """The view, which says of no gate that it waits for people while no worker would go on with their answer."""
        workers = self._workers.problems() if view.gate is not None else ""
        return replace(view, status=unless_nobody_carries(view.status, workers))

    def _render(self, template: str, **values: Any) -> str:
        return self._environment.get_template(template).render(**values)


def prefect_run(flow_run: str) -> str:
    """Where Prefect shows this run; empty where no server is named, or no run is known."""
    server = PREFECT_UI_URL.value() or (PREFECT_API_URL.value() or "").removesuffix("/api")
    known = _RUN.fullmatch(flow_run) is not None and server.startswith(("http://", "https://"))
    return f"{server.rstrip('/')}/runs/flow-run/{flow_run}" if known else ""


def _since_the_last_gate(view: RolloutView) -> tuple[Event, ...]:
    """What happened after the gate before this one was asked, newest first; before the first, since the beginning."""
    found: list[Event] = []
    waves = 0
    for event in view.timeline:
        if event.kind is Kind.RAISED:
            waves += 1
        if event.kind is Kind.GATE_OPENED and waves:
            break
        if event.kind is not Kind.GATE_OPENED:
            found.append(event)
    return tuple(found)


def _by_hand(rollout: str, typed: Mapping[str, str]) -> str:
    """The rollback as a line to paste: it needs neither this page nor Prefect's server."""
    said = {"--as": typed.get("name", ""), "--reason": typed.get("reason", "") or typed.get("note", "")}
    return shlex.join(["tidegate", "rollback", rollout, *(x for pair in said.items() if pair[1] for x in pair)])


def _worst_tone(views: Iterable[RolloutView]) -> str:
    tones = {view.status.tone.value for view in views if view.is_open}
    return next((tone for tone in ("bad", "warn", "good") if tone in tones), "idle")


def _stale(since: datetime | None) -> str:
    return "" if since is None else f"The journal does not answer since {since:%H:%M:%S} UTC: what stands here is old."
