"""The back-test's effects: asking Prometheus for the past, and recording what was found."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime
from functools import partial
from uuid import uuid4

from blocks.calls.addresses import shown_address
from blocks.errors import Refused, Unreachable
from blocks.journal.block import Journal
from blocks.prometheus.block import Prometheus
from engine.rollout.session import utc_now
from tidegate.backtest.replay.past import Asked, Column, Grid, Past
from tidegate.backtest.result import BacktestResult, criteria_hash
from tidegate.backtest.run import BacktestPlan, Progress, judge
from tidegate.journal.bodies.lifecycle_bodies import Backtested
from tidegate.journal.kinds import Kind
from tidegate.plan.model import Plan
from tidegate.values.names import slug
from tidegate.values.samples import NoData, NoDataReason

SECONDS = 120.0  # for one piece of the past, which may be much
_AT_ONCE = 4
_NO_ANSWER = (NoDataReason.UNREACHABLE, NoDataReason.SLOW)
Rules = Mapping[frozenset[tuple[str, str]], int]


def fetch(prometheus: Prometheus, what: BacktestPlan, progress: Progress) -> tuple[Past, Rules]:
    """Every answer; raises Unreachable where Prometheus does not answer, Refused where it has nothing at all."""
    patient = prometheus.with_timeout(SECONDS)
    columns: dict[Asked, Column | NoData] = {}
    try:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="past") as pool:
            asked = {pool.submit(partial(_column, patient, what), question): question for question in what.questions}
            progress("fetched", 0, len(asked))
            for future in as_completed(asked):
                found = columns[asked[future]] = future.result()
                if isinstance(found, NoData) and found.reason in _NO_ANSWER:
                    pool.shutdown(cancel_futures=True)
                    raise Unreachable(
                        f"Prometheus at {shown_address(patient.url)}: {found.detail} ({asked[future].query})"
                    )
                progress("fetched", len(columns), len(asked))
        now = utc_now()
        rules = {a.known_by: patient.alerts(dict(a.labels), now, a.rules).healthy_rules for a in what.alerts}
    finally:
        patient.close()
    if columns and not any(isinstance(column, NoData) or column for column in columns.values()):
        raise Refused(
            f"Prometheus at {shown_address(patient.url)} has nothing from {what.grid.start} to {what.grid.end}"
        )
    return Past(columns), rules


def _column(prometheus: Prometheus, what: BacktestPlan, question: Asked) -> Column | NoData:
    grid = Grid.over(what.grid.start - question.earlier, what.grid.end, question.step)
    return prometheus.history(question.query, grid.start, grid.end, grid.step)


def backtest(prometheus: Prometheus, what: BacktestPlan, progress: Progress = lambda *_: None) -> BacktestResult:
    """Ask and judge; raises Unreachable or Refused."""
    past, rules = fetch(prometheus, what, progress)
    return judge(what, past, rules, progress)


def record(journal: Journal, plan: Plan, result: BacktestResult, by: str) -> str:
    """Keep the result in the journal, under a name of its own, which is returned."""
    name = f"backtest-{slug(plan.flag.key)}-{uuid4().hex[:6]}"
    body = Backtested.from_json({"flag": plan.flag.key, "by": by, **result.to_json()})
    journal.note(name, body.kind, body.to_json(), utc_now())
    return name


def newest_backtest(journal: Journal, plan: Plan, since: datetime) -> tuple[datetime, Backtested] | None:
    """The newest back-test of this flag from `since` on, of these criteria where there is one; None without any."""
    read = ((entry.at, entry.body) for entry in journal.recent(Kind.BACKTESTED, since))
    found = [(at, body) for at, body in read if isinstance(body, Backtested) and body.flag == plan.flag.key]
    same = [(at, body) for at, body in found if body.criteria_hash == criteria_hash(plan)]
    return next(reversed(same or found), None)
