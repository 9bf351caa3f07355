"""Upkeep of released rollouts: tasks of people asked for until done, and work done, recorded, kept and reported."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from blocks.connections import OpenConnections
from blocks.errors import ConnectionFault
from engine.measuring.wave_usage import account
from engine.notices.delivery import deliver
from engine.notices.queueing import notify
from engine.notices.report_files import keep_report
from engine.preflight.checklist import ChecklistSources, line_looks
from engine.rollback.drills import drill
from engine.rollout.open import NotAllowed
from engine.rollout.resolve_rollout import drill_prefix
from engine.rollout.session import OpenRollout, why_unread
from tidegate.checklist.items import HumanProof
from tidegate.criteria.external.cost_amounts import against_bounds
from tidegate.criteria.metrics.queries import joined_query
from tidegate.criteria.metrics.references import BASELINE, reference_reading
from tidegate.gates.statements import people_of
from tidegate.journal.bodies.people_bodies import UpkeepDone
from tidegate.notices.upkeep_due import due_tasks, goes_on, open_tasks, outcome_notice
from tidegate.pages.tables import one_line, table_row
from tidegate.plan.fields.upkeep import UpkeepItem, Work
from tidegate.reports.costs import cost_report, projected_month
from tidegate.reports.costs_page import costs_markdown
from tidegate.reports.thresholds import threshold_finding, threshold_review, thresholds_markdown
from tidegate.values.exposure import ZERO
from tidegate.values.samples import NoData, Sample
from tidegate.values.verdict import Finding, Verdict, worst

WEEK = timedelta(days=7)
BY = "upkeep"
_POINTS = 1_000
Result = tuple[Finding, str]


@dataclass(frozen=True, slots=True)
class UpkeepCheck:
    """What was done for one rollout: the finding, and the page that people read."""

    rollout: str
    work: Work
    finding: Finding
    page: str


def newest_rollouts(connections: OpenConnections) -> Iterator[str]:
    """The newest rollout of each flag."""
    seen: set[str] = set()
    for row in connections.journal.rollouts():
        if row.flag in seen or row.rollout.startswith(f"{drill_prefix(row.flag)}-"):
            continue
        seen.add(row.flag)
        yield row.rollout


def keep_up(connections: OpenConnections, work: Work, now: datetime) -> list[UpkeepCheck]:
    """Do this work for every released rollout whose plan asks for it; trouble with one never stops the others."""
    done: list[UpkeepCheck] = []
    for rollout in newest_rollouts(connections):
        try:
            run = OpenRollout(connections, rollout)
            if goes_on(run.state):
                _keep_up(run, work, now, done)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with this one, the others are kept up
            sentence = f"Nothing can be done for {rollout}: {one_line(why_unread(error))}"
            finding = Finding("upkeep", work.value, Verdict.ERROR, sentence)
            done.append(UpkeepCheck(rollout, work, finding, f"# Upkeep: {work.value}\n\n{sentence}\n"))
    return done


def _keep_up(run: OpenRollout, work: Work, now: datetime, done: list[UpkeepCheck]) -> None:
    if work is Work.PEOPLE:
        for notice in due_tasks(run.plan, run.state, run.timing, now):
            notify(run, notice)
    for number, item in enumerate(run.plan.upkeep, start=1):
        if work is not Work.PEOPLE and item.work is work:
            done.append(_do(run, number, item, now))
    deliver(run, now)


def _do(run: OpenRollout, number: int, item: UpkeepItem, now: datetime) -> UpkeepCheck:
    """Done, recorded in the journal, kept as a file and reported; what breaks is an ERROR, and never a pass."""
    try:
        finding, page = _WORKS[item.work](run, now)
    except (ConnectionFault, NotAllowed, ValueError, LookupError) as fault:
        finding = Finding("upkeep", item.text, Verdict.ERROR, f"It could not be done: {fault}")
        page = f"# {one_line(item.text)}\n\n{one_line(finding.sentence)}\n"
    path = keep_report(run.rollout, f"{item.work.value}-{now:%Y%m%dT%H%M%SZ}", page)
    file = path.name if path else ""
    run.append(UpkeepDone(number, item.work.value, BY, "", file, finding.verdict, finding.sentence), now)
    notify(run, outcome_notice(run.plan, run.state, item, finding, page))
    return UpkeepCheck(run.rollout, item.work, finding, page)


def mark_done(run: OpenRollout, number: int, by: str, note: str, now: datetime) -> str:
    """Record that a task of people is done, and its line; raises NotAllowed."""
    open_now = {task.number: task for task in open_tasks(run.plan, run.refresh(), run.timing)}
    if number not in open_now:
        known = ", ".join(map(str, open_now)) or "none: nothing is open"
        raise NotAllowed(f"--done: found {number}, allowed are {known}")
    item = open_now[number].item
    if by.lower() not in (people := people_of(run.plan, item.role)):
        raise NotAllowed(f"{by} may not say that this is done ({item.role}); allowed are {', '.join(people)}")
    done = UpkeepDone(number, Work.PEOPLE.value, by, note, "", Verdict.PASS, "Done.")
    run.append(done, now, unless=lambda s: number in s.upkept)
    return item.text


def _thresholds(run: OpenRollout, now: datetime) -> Result:
    """The last week of each metric on the new path."""
    plan, span = run.plan, run.timing.pace.real(WEEK)
    start = max(now - span, run.state.first_raise_at or now - span)
    step = max((now - start) / _POINTS, plan.scrape_interval)
    values: dict[str, list[float]] = {}
    for name, metric in plan.metrics.items():
        query = joined_query(plan, name, len(plan.waves), run.timing.window(metric.window))
        points = run.connections.prometheus.range(query, start, now, step)
        values[name] = [] if isinstance(points, NoData) else [point.value for point in points]
    was = {name: reference_reading(run.state.evidence.references, BASELINE, name) for name in plan.metrics}
    baselines = {name: reading.value if isinstance(reading, Sample) else None for name, reading in was.items()}
    review = threshold_review(plan, values, baselines)
    since = f"{start:%Y-%m-%d %H:%M} to {now:%Y-%m-%d %H:%M} UTC"
    return threshold_finding(review), thresholds_markdown(plan, review, since)


def _costs(run: OpenRollout, now: datetime) -> Result:
    """The amounts of now, in the journal, and the whole report from it."""
    account(run, max(run.state.waves), now)
    costs = run.plan.costs
    if costs is None:
        raise NotAllowed(f"the plan {run.plan.name} has no costs:")
    verdict, sentence = against_bounds(costs, projected_month(costs, run.state))
    page = costs_markdown(cost_report(run.plan, run.state, run.timing, now))
    return Finding("upkeep", "What a month costs", verdict, sentence), page


def _security(run: OpenRollout, now: datetime) -> Result:
    """Every proof of the checklist that the security role answers for, looked at anew; people's are named."""
    roles = {item.role for item in run.plan.upkeep if item.work is Work.SECURITY}
    lines = [
        (line, look)
        for line, look in line_looks(ChecklistSources(run.connections, run.plan, run.timing, now))
        if line.item.role in roles
    ]
    looked = [(line, look()) for line, look in lines if not isinstance(line.item, HumanProof)]
    by_people = [line for line, _ in lines if isinstance(line.item, HumanProof)]
    rows = [table_row(line.text, found.verdict.value, found.sentence) for line, found in looked]
    rows += [table_row(line.text, "-", f"People look at it: {line.item.role}") for line in by_people]
    verdict = worst(found.verdict for _, found in looked) if looked else Verdict.INCONCLUSIVE
    bad = sum(found.verdict is not Verdict.PASS for _, found in looked)
    sentence = f"{len(looked)} proofs looked at, {bad} of them no pass; {len(by_people)} lines are for people."
    head = f"# Security audit: {one_line(run.plan.title)}\n\n{now:%Y-%m-%d %H:%M} UTC. {sentence}"
    table = "\n".join([table_row("Line", "Verdict", "Found"), "|---|---|---|", *rows])
    return Finding("upkeep", "The checklist's security proofs hold", verdict, sentence), f"{head}\n\n{table}\n"


def _drill(run: OpenRollout, now: datetime) -> Result:
    """The rollback on synthetic users; never the full steps, which nobody takes unattended."""
    flag = run.connections.flags.read(run.flag)
    if flag.exposure != ZERO:
        raise NotAllowed(
            f"{run.flag} is at {flag.description}: a drill ends at zero for everybody, so nobody drills it unattended. "
            "Drill on the staging flag: tidegate drill PLAN --as EMAIL"
        )
    practised = drill(run.connections, run.plan, by=BY).state
    found = practised.recovery.drilled
    verdict = Verdict.PASS if found is not None and found.proven else Verdict.FAIL
    sentence = found.sentence if found is not None else practised.end_reason
    page = f"# Recovery drill: {one_line(run.plan.title)}\n\n{now:%Y-%m-%d %H:%M} UTC. {one_line(sentence)}\n"
    return Finding("upkeep", "The rollback is proven", verdict, sentence), page


_WORKS: dict[Work, Callable[[OpenRollout, datetime], Result]] = {
    Work.THRESHOLDS: _thresholds,
    Work.COSTS: _costs,
    Work.SECURITY: _security,
    Work.DRILL: _drill,
}
