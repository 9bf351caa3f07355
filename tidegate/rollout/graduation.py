"""What makes a finished rollout production-grade: the new path was used, and people say that it is ready."""

from collections.abc import Iterable

from tidegate.journal.state import RolloutState
from tidegate.plan.model import Plan, Readiness
from tidegate.values.samples import NoData, Reading
from tidegate.values.verdict import Finding, Verdict

EXERCISED = "exercised"


def readiness_key(number: int) -> str:
    """The journal's name of a statement; they are numbered from 1 in the plan's order."""
    return f"readiness.{number}"


def statements_for(plan: Plan, person: str) -> dict[int, Readiness]:
    """The statements that this person may make, by their number: nobody states one for a role they do not hold."""
    return {
        number: one
        for number, one in enumerate(plan.readiness, start=1)
        if person.lower() in (email.lower() for email in plan.roles[one.role])
    }


def readiness_findings(plan: Plan, state: RolloutState) -> tuple[Finding, ...]:
    """A finding for every statement of the plan."""
    findings = []
    for number, one in enumerate(plan.readiness, start=1):
        key = readiness_key(number)
        who = state.readiness.get(key)
        people = ", ".join(plan.roles[one.role])
        verdict = Verdict.INCONCLUSIVE if who is None else Verdict.PASS
        sentence = f"Not stated yet ({number}: {one.role}, {people})." if who is None else f"Stated by {who}."
        findings.append(Finding(key, one.text, verdict, sentence))
    return tuple(findings)


def exercised(reading: Reading, query: str) -> Finding:
    """Whether the new path completed any request in the post-rollout time; a path that nobody used proves nothing."""
    text = "The new path was used in the post-rollout time"
    if isinstance(reading, NoData):
        verdict = Verdict.ERROR if reading.reason.spends_no_data_budget else Verdict.INCONCLUSIVE
        sentence = f"It cannot be determined ({reading.detail or reading.reason.value})."
        return Finding(EXERCISED, text, verdict, sentence, query=query)
    used = reading.value > 0
    verdict = Verdict.PASS if used else Verdict.INCONCLUSIVE
    sentence = f"{reading.value:.0f} requests." if used else "Not one request, so that nothing is known about it."
    return Finding(EXERCISED, text, verdict, sentence, observed=reading.value, bound="> 0", query=query)


def is_ready(findings: Iterable[Finding]) -> bool:
    """Whether nothing is missing; nothing at all is not enough."""
    verdicts = [finding.verdict for finding in findings]
    return bool(verdicts) and all(verdict is Verdict.PASS for verdict in verdicts)
