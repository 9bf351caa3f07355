"""The reference plan is carried line by line, and the rehearsal is the same plan."""

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from tidegate.backtest.proof import judge_backtest
from tidegate.criteria.alerting.alerts import Alerts
from tidegate.criteria.comparisons.comparison import CountedCriterion
from tidegate.criteria.earlier_waves import EarlierWaves
from tidegate.criteria.external.cost import Cost
from tidegate.criteria.external.cost_amounts import monthly as costed
from tidegate.criteria.external.cost_amounts import planned_amounts
from tidegate.criteria.external.human import Human
from tidegate.criteria.metrics.threshold import Threshold
from tidegate.notices.actions_due import meetings_of
from tidegate.pages.plan_check import pending_lines, plan_check_lines
from tidegate.pages.plan_document import plan_document
from tidegate.plan.fields.actions import Automatic, Report, ScheduledNotice, Standby, Task
from tidegate.plan.in_force import in_force
from tidegate.plan.loading.json_schema import model_schema, plan_schema
from tidegate.plan.loading.loader import load_plan
from tidegate.plan.loading.reference_page import plan_reference
from tidegate.plan.model import Plan, When
from tidegate.values.costs import break_even_after
from tidegate.values.units import format_signed_percent
from tidegate.values.verdict import Verdict

ROOT = Path(__file__).parents[2]
FILES = ("batch-patches-v1.yaml", "rehearsal.yaml")
REFERENCE = (Path(__file__).parent / "reference-plan.md").read_text()
PLAN = load_plan(ROOT / "plans" / FILES[0], Path.read_bytes)
REHEARSAL = load_plan(ROOT / "plans" / FILES[1], Path.read_bytes)
DOWNTIME = "Estimated Downtime: 0 (zero-downtime deployment)"


def section(heading: str, text: str = REFERENCE) -> str:
    """What stands below a heading, down to the next of its rank."""
    level = re.match("#+", heading)
    assert level
    start = text.index(f"{heading}")
    below = text[start + len(heading) :]
    end = re.search(rf"^#{{1,{len(level[0])}}} ", below, re.MULTILINE)
    return below[: end.start()] if end else below


def lines_below(label: str, text: str) -> list[str]:
    """The list items right below a bold label."""
    found: list[str] = []
    for line in text[text.index(label) :].splitlines()[1:]:
        item = re.match(r"(?:- \[ \] |- ✅ |- |\d\. )(.*)", line)
        if item is None:
            if found or line.strip():
                break
            continue
        found.append(item[1].strip())
    return found


WAVE_HEADINGS = re.findall(r"^### Wave \d: .*$", REFERENCE, re.MULTILINE)


def test_the_document_has_the_waves_we_think_it_has() -> None:
    assert len(WAVE_HEADINGS) == len(PLAN.waves) == 4
    assert [len(lines_below("**Go/No-Go", section(h))) for h in WAVE_HEADINGS] == [5, 5, 5, 4]
    assert [len(lines_below("**Rollback Trigger", section(h))) for h in WAVE_HEADINGS] == [4, 4, 4, 4]
    assert [len(lines_below("**Actions", section(h))) for h in WAVE_HEADINGS] == [4, 5, 5, 5]


@pytest.mark.parametrize("number", range(4))
def test_every_line_of_a_wave_is_in_the_plan(number: int) -> None:
    heading, wave = WAVE_HEADINGS[number], PLAN.waves[number]
    text = section(heading)
    go = [c.text for c in wave.criteria if When.TRIGGER not in c.when]
    triggers = [c.text for c in wave.criteria if When.TRIGGER in c.when and not isinstance(c, CountedCriterion)]
    assert [line for line in go if line in lines_below("**Go/No-Go", text)] == lines_below("**Go/No-Go", text)
    assert triggers == lines_below("**Rollback Trigger", text)
    assert [action.text for action in wave.actions] == lines_below("**Actions", text)
    assert f"**Success Criteria:** {wave.success}" in text
    assert f"**Target:** {wave.target}" in text
    assert heading.startswith(f"### {wave.title} (")
    assert re.search(rf"\(Days? {wave.starts}\b.*, {wave.percent:g}% Traffic\)", heading)
    hours = re.search(r"\*\*Duration:\*\* (\d+) hours", text)
    assert hours
    assert wave.soak == timedelta(hours=int(hours[1]))


def test_intervals_and_days() -> None:
    assert [w.interval for w in PLAN.waves] == [timedelta(minutes=m) for m in (15, 10, 5, 1)]
    assert [w.starts for w in PLAN.waves] == [1, 3, 5, 7]
    assert [w.audience for w in PLAN.waves] == ["internal", "production", "production", "production"]
    assert PLAN.post_rollout.soak == timedelta(days=14)


# What proves each line of the checklist; a line of two parts is proven twice.
PROOFS = {
    "All phases 00-E complete and tested (95+ tests, 100% pass)": ["junit"],
    "Code review completed (2+ reviewers)": ["reviews"],
    "Security audit passed (no hardcoded secrets, no SQL injection, etc)": ["command"],
    "Performance baseline established (< 5ms per 500 patches)": ["benchmark"],
    "Documentation complete (README.md, API_REFERENCE.md)": ["files"],
    "Prometheus + Grafana deployed and configured": ["prometheus", "http"],
    "PagerDuty integration active": ["pagerduty"],
    "Slack #alerts-critical + #alerts-warnings channels ready": ["slack"],
    "Database backups automated (if using persistent storage)": ["backup"],
    "Logging aggregation (CloudWatch / ELK) ready": ["http"],
    "DNS / Load balancer configured for canary traffic splitting": ["dns", "load_balancer"],
    "Oncall rotation scheduled for deployment week": ["pagerduty"],
    "Response runbooks reviewed by team": ["human"],
    "Incident commander identified for each wave": ["roles"],
    "Customer communication plan written (if applicable)": ["human"],
    "Rollback procedure tested (at least once)": ["drill"],
    "Product manager: Feature readiness sign-off": ["human"],
    "Security: CISO approval": ["human"],
    "Operations: Infrastructure readiness": ["human"],
    "Legal (if applicable): Data privacy review": ["human"],
}
# What the plan asks for beside the document, since its comparisons decide: a back-test of these very criteria.
BACKTEST = "All triggers tried on the past four weeks (`tidegate backtest`)"
SIGNERS = {
    "Development Lead": "engineering-lead",
    "Operations Lead": "operations-lead",
    "Product Manager": "product-manager",
    "Incident Commander (Designated)": "incident-commander",
}


def proofs(plan: Plan) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for items in plan.checklist.values():
        for item in items:
            found.setdefault(item.text, []).append(item.proof)
    return found


def test_every_line_of_the_checklist_is_in_the_plan_with_its_proof() -> None:
    wanted = section("## Pre-Deployment Checklist")
    lines = re.findall(r"^- \[ \] (.*)$", wanted, re.MULTILINE)
    assert len(lines) == 20
    assert list(PROOFS) == lines
    assert proofs(PLAN) == {**PROOFS, BACKTEST: ["backtest"]}
    assert list(PLAN.checklist) == re.findall(r"^### (.*)$", wanted, re.MULTILINE)
    for heading, items in PLAN.checklist.items():
        below = re.findall(r"^- \[ \] (.*)$", section(f"### {heading}", wanted), re.MULTILINE)
        assert list(dict.fromkeys(item.text for item in items if item.text != BACKTEST)) == below


def test_the_comparisons_decide_only_with_a_back_test_of_the_past_four_weeks() -> None:
    deciding = [c for w in PLAN.waves for c in w.criteria if c.kind == "versus_control"]
    assert [c.dry_run for c in deciding] == [False, False]
    [asked] = [item for items in PLAN.checklist.values() for item in items if item.text == BACKTEST]
    assert (asked.proof, asked.role, asked.not_applicable) == ("backtest", "engineering-lead", None)
    assert (asked.fresh, asked.covers, asked.at_most) == (timedelta(days=14), timedelta(days=28), 5)  # type: ignore[union-attr]
    now = datetime(2026, 3, 2, tzinfo=UTC)
    without = judge_backtest(asked, PLAN, None, now)  # type: ignore[arg-type]
    assert without.verdict is Verdict.FAIL
    assert without.sentence == (
        "no back-test of this flag in the last 14d: run `tidegate backtest PLAN --from DAY --to DAY`"
    )


def test_no_line_of_the_checklist_is_pending_or_put_aside() -> None:
    for items in PLAN.checklist.values():
        for item in items:
            assert getattr(item, "pending", None) is None, item.text
            assert item.not_applicable is None, item.text


def test_the_bounds_of_the_checklist_are_the_documents() -> None:
    junit, reviews, _, benchmark, files = PLAN.checklist["Code Quality (Week -2)"]
    assert (junit.at_least, junit.passed) == (95, 100.0)  # type: ignore[union-attr]
    assert reviews.at_least == 2  # type: ignore[union-attr]
    assert (benchmark.below, benchmark.unit) == ("5ms", "ms")  # type: ignore[union-attr]
    assert files.paths == ("README.md", "API_REFERENCE.md")  # type: ignore[union-attr]
    assert (PLAN.channels.critical, PLAN.channels.warnings) == ("#alerts-critical", "#alerts-warnings")


def test_every_line_of_the_sign_off_is_stated_by_its_role() -> None:
    wanted = section("## Sign-Off")
    headings = re.findall(r"^### (.*)$", wanted, re.MULTILINE)
    assert headings == list(SIGNERS)
    for heading in headings:
        lines = re.findall(r"^- \[ \] (.*)$", section(f"### {heading}", wanted), re.MULTILINE)
        assert list(PLAN.sign_off[SIGNERS[heading]]) == lines
    assert set(PLAN.sign_off) == set(SIGNERS.values())
    assert sum(map(len, PLAN.sign_off.values())) == 11
    assert REHEARSAL.sign_off == PLAN.sign_off


def test_every_row_of_the_metrics_table_is_in_the_plan() -> None:
    shown = plan_document(PLAN)
    rows = re.findall(r"^\| (.*) \|$", section("### Key Metrics to Track"), re.MULTILINE)[1:]
    assert len(rows) == 7
    for row in rows:
        title, *limits = (cell.strip() for cell in row.split("|"))
        (metric,) = (m for m in PLAN.metrics.values() if m.title == title)
        for wanted, limit in zip(limits, (metric.target, metric.warning, metric.critical), strict=True):
            assert limit is not None
            if limit.pending:
                assert limit.text == wanted
            elif limit.change is not None:
                assert (limit.text or format_signed_percent(limit.change)) == wanted
            elif wanted == "0":
                assert limit.below == "1"
            else:
                side, bound = wanted.split()
                assert (limit.below if side == "<" else limit.above) == bound
        assert f"| {title} |" in shown


def test_post_wave_actions_success_criteria_rollback_and_contacts_are_in_the_plan() -> None:
    post = lines_below("**Post-Wave Actions", section(WAVE_HEADINGS[3]))
    tasks = re.findall(r"^- \[ \] (.*)$", section("## Post-Deployment Tasks"), re.MULTILINE)
    assert len(post) == 5
    assert len(tasks) == 13
    assert [action.text for action in PLAN.post_rollout.actions] == post
    assert [item.text for item in PLAN.upkeep] == tasks
    success = re.findall(r"^- ✅ (.*)$", section("## Success Criteria"), re.MULTILINE)
    assert len(success) == 10
    assert set(success) == {item.text for item in (*PLAN.success, *PLAN.readiness)} - {DOWNTIME}
    assert DOWNTIME.replace("Downtime:", "Downtime:**") in REFERENCE.replace("**Estimated", "Estimated")
    steps = re.findall(r"^# \d\. (.*)$", REFERENCE[REFERENCE.index("### Full Rollback") :], re.MULTILINE)
    assert [step.text for step in PLAN.rollback.full if step.step != "load_balancer"] == steps
    assert list(PLAN.rollback.communication) == lines_below("### Communication", REFERENCE)
    contacts = dict(re.findall(r"^(.*): (\S+@\S+)$", section("### Contacts & Escalation"), re.MULTILINE))
    assert {c.title: c.email for c in PLAN.contacts} == contacts
    assert {email for people in PLAN.roles.values() for email in people} == set(contacts.values())


def criterion(wave: int, text: str) -> Any:
    return next(c for c in PLAN.waves[wave - 1].criteria if c.text == text)


def test_what_can_be_measured_is_measured() -> None:
    alerts = criterion(1, "Zero CRITICAL alerts")
    assert isinstance(alerts, Alerts)
    assert alerts.when == (When.ENTER, When.DURING)
    errors = criterion(1, "Error rate > 10% for > 5min")
    assert isinstance(errors, Threshold)
    assert (errors.metric, errors.above, errors.for_) == ("error_rate", "10%", timedelta(minutes=5))
    corrupt = criterion(1, "Customer data corruption detected")
    assert (corrupt.metric, corrupt.above, corrupt.for_) == ("invariant_violations", "0", None)
    assert criterion(2, "P99 latency acceptable").below == "800ms"
    assert criterion(4, "All Wave 1-3 criteria met").waves == (1, 2, 3)
    assert isinstance(criterion(3, "All Wave 1-2 criteria still met"), EarlierWaves)
    leak = criterion(1, "Memory leak detected")
    assert (leak.kind, leak.metric, leak.above) == ("leak", "memory", "20MB")
    increase = criterion(2, "Error rate increases > 5% from Wave 1")
    assert (increase.to, increase.how, increase.above, increase.metric) == ("wave 1", "points", "5%", "error_rate")
    slower = criterion(2, "Performance degradation > 50%")
    assert (slower.to, slower.substitute, slower.how, slower.above) == ("control", "baseline", "relative", "50%")


def test_what_prometheus_and_the_journal_answer_waits_no_more() -> None:
    answered = {"change", "trend", "leak", "new_alerts", "resource_spike", "slo", "coverage"}
    waiting = [line for line in pending_lines(PLAN) if not line.where.startswith("checklist")]
    assert {line.kind for line in waiting} & answered == set()


def test_no_line_waits_for_a_kind_of_check() -> None:
    assert pending_lines(PLAN) == ()
    assert "no line waits for a kind of check" in plan_check_lines(PLAN)
    for step in (*PLAN.waves, PLAN.post_rollout):
        for asked in step.criteria:
            assert isinstance(asked, Human) or not hasattr(asked, "pending")


def test_every_action_of_the_reference_plan_has_somebody_or_something_that_does_it() -> None:
    kinds = [[type(action) for action in step.actions] for step in (*PLAN.waves, PLAN.post_rollout)]
    assert [len(step) for step in kinds[:4]] == [4, 5, 5, 5]
    assert {kind for step in kinds for kind in step} == {Automatic, Task, ScheduledNotice, Standby}
    shown = plan_document(PLAN)
    for wanted in (
        "automatic: a review at least every 15m",
        "task of engineering-lead, asked for at the next gate",
        "standup report to incident-commander, engineering-lead daily at 9:00 and 17:00",
        "incident-commander stands by, somebody on call for batch-patches",
        "Cost attribution — task of product-manager, handed over at the start",
    ):
        assert wanted in shown


def test_what_asks_outside_of_prometheus_asks_for_what_the_line_says() -> None:
    escalations = criterion(3, "Customer escalations > 5")
    assert (escalations.kind, escalations.above, escalations.when) == ("count", "5", (When.TRIGGER,))
    assert criterion(2, "Customer-reported data loss / corruption").above == "0"
    assert criterion(4, "Multiple simultaneous customer issues").above == "1"
    (monthly,) = (c for c in PLAN.post_rollout.criteria if c.text == "Cost < $300/month")
    assert isinstance(monthly, Cost)
    assert monthly.below == "$300"
    impact = criterion(3, "Cost analysis shows acceptable impact")
    assert (impact.kind, impact.below) == ("cost", "$201")
    assert impact.is_of_the_plan
    assert monthly.is_of_the_plan
    assert criterion(1, "All ALARM tests pass").when == (When.ENTER,)
    known = criterion(1, "Run synthetic tests (generate load with known patches)")
    assert (known.kind, known.new.group, known.legacy.group) == ("synthetic", "synthetic", "synthetic-control")
    for number in range(1, len(PLAN.waves) + 2):
        assert known in [item.criterion for item in in_force(PLAN, number, When.DURING)]


def test_the_cost_analysis_of_the_reference_plan() -> None:
    analysis, costs = section("## Cost Analysis"), PLAN.costs
    assert costs is not None
    for item in costs.items.values():
        assert item.text in analysis or item.text.startswith("Load balancing")
    assert [f"- {item.text}" for item in costs.items.values() if item.existing] == re.findall(
        r"- .*already .*", analysis
    )
    assert f"~{costs.expected.at_least:$>4}-{costs.expected.at_most}" in analysis
    month = costed(costs, planned_amounts(costs)).total
    assert month is not None
    assert costs.expected.at_least <= month <= costs.expected.at_most
    assert costs.limit == 300
    benefit = costs.benefit
    assert benefit is not None
    assert f"**Benefit:** {benefit.text}" in analysis
    assert "Break-even in 2-3 weeks" in analysis
    for bound in (costs.expected.at_least, costs.expected.at_most):
        after = break_even_after(benefit, bound)
        assert after is not None
        assert timedelta(weeks=2) <= after <= timedelta(weeks=3)


def test_the_stand_up_is_at_nine_every_day_and_wave_3_meets_again_at_five() -> None:
    assert section("### Daily Standup Format").count("9:00 AM PT") == 1
    met = [
        [at for _, meeting in meetings_of(PLAN, step) if meeting.report is Report.STANDUP for at in meeting.at]
        for step in (*PLAN.waves, PLAN.post_rollout)
    ]
    assert met == [["9:00"], ["9:00"], ["9:00", "17:00"], ["9:00"], ["9:00"]]
    assert PLAN.timezone == "America/Los_Angeles"
    [back] = [m for _, m in meetings_of(PLAN, PLAN.waves[3]) if m.report is Report.RETROSPECTIVE]
    assert back.text == "Daily post-rollout retrospective"


def test_the_rehearsal_differs_where_it_says_and_nowhere_else() -> None:
    real, rehearsed = PLAN.to_json(), REHEARSAL.to_json()
    different = {key for key in (*real, *rehearsed) if real.get(key) != rehearsed.get(key)}
    assert different == {
        "name", "title", "summary", "pace", "scrape_interval", "traffic", "metrics", "post_rollout",
        "roles", "checklist", "readiness", "channels",
    }  # fmt: skip
    assert proofs(REHEARSAL) == proofs(PLAN)
    aside = [i.text for items in REHEARSAL.checklist.values() for i in items if i.not_applicable is not None]
    assert aside == [
        BACKTEST,
        "Customer communication plan written (if applicable)",
        "Rollback procedure tested (at least once)",
        "Legal (if applicable): Data privacy review",
    ]
    changed = [
        (i.text, i.proof)
        for section in PLAN.checklist
        for i, j in zip(REHEARSAL.checklist[section], PLAN.checklist[section], strict=True)
        if i != j and i.text not in aside
    ]
    assert changed == [("DNS / Load balancer configured for canary traffic splitting", "dns")]
    assert set(REHEARSAL.roles["incident-commander"]) == {"commander@company.com"}
    for role, people in REHEARSAL.roles.items():
        assert set(PLAN.roles[role]) <= set(people)
        assert role not in REHEARSAL.sign_off or "commander@company.com" in people
    assert REHEARSAL.pace == timedelta(seconds=15)
    assert REHEARSAL.post_rollout.soak == timedelta(days=2)
    assert "two observed days instead of 14" in REHEARSAL.summary
    assert REHEARSAL.waves == PLAN.waves


@cache
def editors() -> jsonschema.Draft202012Validator:
    """What an editor makes of the schema; which is sound."""
    schema = plan_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("name", FILES)
def test_editors_accept_the_plans(name: str) -> None:
    raw = yaml.safe_load((ROOT / "plans" / name).read_text())
    assert [error.message for error in editors().iter_errors(raw)] == []


@pytest.mark.parametrize("plan", [PLAN, REHEARSAL], ids=FILES)
def test_editors_accept_the_resolved_plans(plan: Plan) -> None:
    editors().validate(plan.to_json())


@pytest.mark.parametrize(
    "change",
    [
        {"servise": "x"},
        {"waves": []},
        {"service": None},
        {"flag": {}},
        {"metrics": {"a": {"unit": "parsec"}}},
        {"roles": {"A b": []}},
    ],
)
def test_editors_show_mistakes(change: dict[str, Any]) -> None:
    assert not editors().is_valid({**PLAN.to_json(), **change})


@pytest.mark.parametrize("change", [{"servise": "x"}, {"flag": {"kee": "x"}}, {"waves": [{"name": "a"}]}, {"guard": 5}])
def test_editors_show_mistakes_in_overlays(change: dict[str, Any]) -> None:
    validator = editors()
    assert validator.is_valid({"extends": "a.yaml", "pace": None, "flag": {"attribute": "x"}})
    assert not validator.is_valid({"extends": "a.yaml", **change})


def test_the_reference_page_is_the_generated_one() -> None:
    assert (ROOT / "docs" / "plan-reference.md").read_text() == plan_reference()


def test_every_field_is_explained() -> None:
    for name, part in model_schema()["$defs"].items():
        assert part.get("description"), name
        for field, fragment in part.get("properties", {}).items():
            assert field in ("kind", "step") or "description" in fragment or "$ref" in fragment, f"{name}.{field}"
