"""`tidegate backtest`: a plan's own judge over the past."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from blocks.calls.addresses import without_userinfo
from blocks.prometheus.block import Prometheus
from console.commands.plan_commands import plan_from
from console.home import connections, kit_path
from engine.past.backtest import backtest as replay
from engine.past.backtest import record
from engine.rollout.open import NotAllowed
from tidegate.backtest.picture import backtest_picture
from tidegate.backtest.replay.backtest_data import parse_harm
from tidegate.backtest.result import BacktestResult
from tidegate.backtest.run import BacktestPlan, course
from tidegate.backtest.words import cells
from tidegate.plan.model import Plan
from tidegate.values.units import parse_duration

out = Console(highlight=False)
log = Console(stderr=True, highlight=False)
_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]
_QUIET_SECONDS = 2.0


def backtest(
    plan: str,
    start: datetime,
    end: datetime,
    prometheus: str = "",
    inject: list[str] | None = None,
    wave: list[int] | None = None,
    step: str = "",
    every: str = "",
    picture: Path | None = None,
    who: str = "",
    as_json: bool = False,
) -> None:
    """Try a plan on the past: how often its criteria would have fired on what was healthy, and how soon on harm.

    The result is kept in the kit's journal, where a checklist can ask for it; without a kit it is only shown.
    """
    loaded = plan_from(plan)
    what = _course(loaded, start.replace(tzinfo=UTC), end.replace(tzinfo=UTC), inject or [], wave or [], step, every)
    result = replay(_prometheus(prometheus), what, BacktestProgress())
    if picture is not None:
        _write(picture, backtest_picture(result))
    if as_json:
        print(json.dumps(result.to_json(), indent=1))
    else:
        _show(result)
    if kit_path().exists():
        log.print(f"recorded as {record(connections().journal, loaded, result, who)}", markup=False)
    else:
        log.print("not recorded: there is no kit file, hence no journal", markup=False)


def _course(
    plan: Plan, start: datetime, end: datetime, inject: list[str], waves: list[int], step: str, every: str
) -> BacktestPlan:
    try:
        look, between = (parse_duration(text) if text else None for text in (step, every))
        harms = [parse_harm(text) for text in inject]
        return course(plan, start, end, look=look, every=between, waves=waves, harms=harms)
    except ValueError as error:
        raise NotAllowed(str(error)) from None


def _prometheus(url: str) -> Prometheus:
    if not url:
        return connections().prometheus
    if not url.startswith(("http://", "https://")):
        raise NotAllowed(
            f"--prometheus: found {without_userinfo(url)!r}, allowed is an address such as http://localhost:9090"
        )
    return Prometheus(url=url)


def _write(path: Path, drawn: str) -> None:
    try:
        path.write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise NotAllowed(f"--picture: {path} cannot be written ({error.strerror})") from None


class BacktestProgress:
    """Progress on the terminal, once it has taken long enough to be worth a word."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._said = self._began

    def __call__(self, what: str, done: int, of: int) -> None:
        """Say how far it is, every two seconds at most."""
        now = time.monotonic()
        if now - self._said >= _QUIET_SECONDS:
            self._said = now
            log.print(f"{what} {done} of {of}, {now - self._began:.0f} s", markup=False)


def _show(result: BacktestResult) -> None:
    for wave in result.waves:
        title = f"{wave.title}: rolled back in {wave.rolled_back.words}"
        table = Table(title=escape(title), title_justify="left", title_style="bold")
        for heading in ("Criterion", "Decides", "Fired", "No data", "Unsure", "Harm put in"):
            table.add_column(heading)
        for row in (row for row in result.criteria if row.wave == wave.wave):
            decides = f"{row.when}{', dry run' if row.dry_run else ''}"
            table.add_row(*(escape(cell) for cell in (row.text, decides, *cells(row))))
        out.print(table)
        if wave.held_without_data:
            out.print(f"Held without data in {wave.held_without_data} more.", markup=False)
    for words in result.left_out:
        out.print(f"Not replayed: {words}.", markup=False)
    out.print("In brackets the 95 % interval, for which waves that overlap count once.", markup=False)
