"""Judging the checklist: what systems and people answered, line by line and section by section."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tidegate.checklist.items import (
    BaseProof,
    CommandProof,
    DnsProof,
    DrillProof,
    HttpProof,
    HumanProof,
    LoadBalancerProof,
    PagerDutyProof,
    PrometheusProof,
    RolesProof,
    SlackProof,
)
from tidegate.checklist.judge_reports import found, too_old, within
from tidegate.criteria.findings import no_data_words
from tidegate.plan.model import Plan
from tidegate.values.json_pointer import at_pointer
from tidegate.values.samples import NoData, Reading
from tidegate.values.units import format_duration
from tidegate.values.verdict import Finding, Verdict, worst

# PagerDuty's words for a service that takes events and pages people, with or without open incidents.
_PAGING = {"active": "without open incidents", "warning": "with acknowledged incidents", "critical": "with incidents"}
_TAIL = 300


@dataclass(frozen=True, slots=True)
class ChecklistLine:
    """A line of the plan's checklist: its id, its section, and the line itself."""

    id: str
    section: str
    item: BaseProof

    @property
    def text(self) -> str:
        """As preflight shows it."""
        return f"{self.section}: {self.item.text}"


def checklist_lines(plan: Plan) -> Iterator[ChecklistLine]:
    """Every line in the order of the plan."""
    for section_number, (section, items) in enumerate(plan.checklist.items(), start=1):
        for number, item in enumerate(items, start=1):
            yield ChecklistLine(f"checklist.{section_number}.{number}", section, item)


def section_verdicts(plan: Plan, findings: Sequence[Finding]) -> dict[str, Verdict]:
    """The verdict of each section; NOT_APPLICABLE where people alone answer for it, at the gate."""
    verdicts = {finding.criterion: finding.verdict for finding in findings}
    sections: dict[str, list[Verdict]] = {section: [] for section in plan.checklist}
    for line in checklist_lines(plan):
        # A line that nobody looked at is no evidence.
        sections[line.section].append(verdicts.get(line.id, Verdict.INCONCLUSIVE))
    return {
        section: Verdict.NOT_APPLICABLE if set(seen) == {Verdict.NOT_APPLICABLE} else worst(seen)
        for section, seen in sections.items()
    }


def checklist_rows(plan: Plan, findings: Sequence[Finding]) -> list[dict[str, str]]:
    """The checklist as a table: each line with its section, its verdict, and the sentence that says why."""
    seen = {finding.criterion: finding for finding in findings}
    return [
        {
            "section": line.section,
            "line": line.item.text,
            "role": line.item.role,
            "verdict": seen[line.id].verdict.value,
            "evidence": seen[line.id].sentence,
        }
        for line in checklist_lines(plan)
        if line.id in seen
    ]


def judge_without_look(item: BaseProof) -> Finding | None:
    """The finding on a line that is not looked at: it does not apply here, or a person states it at the gate."""
    if item.not_applicable is not None:
        return found(item, Verdict.NOT_APPLICABLE, f"Does not apply here ({item.role}): {item.not_applicable}.")
    if isinstance(item, HumanProof):
        waits = f" until a proof of kind {item.pending} is there" if item.pending else ""
        return found(item, Verdict.NOT_APPLICABLE, f"Stated by {item.role} at the gate before wave 1{waits}.")
    return None


def judge_command(item: CommandProof | LoadBalancerProof, code: int, output: str) -> Finding:
    """The command ended with exit code 0 and said what it must."""
    said = " ".join(output.split())[-_TAIL:]
    advice = "mend what it says and run preflight again"
    if code != 0:
        return found(item, Verdict.FAIL, f"{item.command} ended with exit code {code}: {said or '-'}; {advice}.")
    if item.output is not None and re.search(item.output, output) is None:
        sentence = f"{item.command} ended with 0, but its output does not match {item.output!r}: {said or '-'}"
        return found(item, Verdict.FAIL, f"{sentence}; {advice}.")
    return found(item, Verdict.PASS, f"{item.command} ended with exit code 0{f': {said}' if said else ''}.")


def judge_http(item: HttpProof, status: int, body: bytes) -> Finding:
    """The source answered the status, and the value, that the plan says."""
    where = f"{item.source}{item.path}"
    if status != item.status:
        sentence = f"{where} answered HTTP {status}, allowed is {item.status}: look whether it is deployed and well."
        return found(item, Verdict.FAIL, sentence)
    if item.at is None:
        return found(item, Verdict.PASS, f"{where} answered HTTP {status}.")
    try:
        value = at_pointer(json.loads(body), item.at)
    except (ValueError, RecursionError):
        return found(item, Verdict.ERROR, f"{where} answered HTTP {status}, but no JSON.")
    except LookupError as error:
        return found(item, Verdict.ERROR, f"{where}: {error}.")
    shown = json.dumps(value)[:60]
    # To Python, true is 1; to people it is not.
    if isinstance(value, bool) is isinstance(item.equals, bool) and value == item.equals:
        return found(item, Verdict.PASS, f"{where} answered HTTP {status} with {item.at} = {shown}.")
    sentence = f"{where} answered {item.at} = {shown}, allowed is {json.dumps(item.equals)}: mend it."
    return found(item, Verdict.FAIL, sentence)


def judge_prometheus(item: PrometheusProof, reading: Reading) -> Finding:
    """The query's value is within its bound; no data never is."""
    if isinstance(reading, NoData):
        verdict = Verdict.ERROR if reading.reason.spends_no_data_budget else Verdict.INCONCLUSIVE
        sentence = f"No data ({no_data_words(reading)}): see that Prometheus scrapes it."
        return found(item, verdict, sentence, query=item.query)
    good, words, bound = within(reading.value, item.below, item.above, item.unit)
    sentence = f"Prometheus says {words}" + ("." if good else f", allowed is {bound}: mend what it counts.")
    verdict = Verdict.PASS if good else Verdict.FAIL
    return found(item, verdict, sentence, observed=reading.value, bound=bound, query=item.query)


def judge_integration(item: PagerDutyProof, status: str | None) -> Finding:
    """The service is there and pages people; `status` is PagerDuty's word, or None where there is no such service."""
    if status is None:
        return found(item, Verdict.FAIL, f"PagerDuty has no service {item.service}: add it, with an Events v2 key.")
    if status not in _PAGING:
        return found(item, Verdict.FAIL, f"The service {item.service} is {status} in PagerDuty: turn it on.")
    return found(item, Verdict.PASS, f"The service {item.service} is on, {_PAGING[status]}; our key is accepted.")


def judge_on_call(
    item: PagerDutyProof, shifts: Sequence[tuple[datetime | None, datetime | None, str]], since: datetime, to: datetime
) -> Finding:
    """Somebody is on call at every moment from `since` to `to`."""
    covered, who = since, []
    for start, end, name in sorted(shifts, key=lambda shift: (shift[0] or since, shift[1] or to)):
        if (start or since) > covered:
            break
        who.append(name)
        covered = max(covered, to if end is None else end)
    if not who or covered < to:
        gap = f"nobody is on call for {item.service} from {covered:%Y-%m-%d %H:%M} UTC on"
        return found(item, Verdict.FAIL, f"From now to {to:%Y-%m-%d}, {gap}: fill the rotation.")
    names = ", ".join(dict.fromkeys(who))
    return found(item, Verdict.PASS, f"On call for {item.service} until {to:%Y-%m-%d %H:%M} UTC: {names}.")


def judge_slack(item: SlackProof, channels: Mapping[str, tuple[bool, bool] | None]) -> Finding:
    """Every channel is there, not archived, and has the bot as a member; each as (member, archived) or None."""
    wrong = []
    for name, seen in channels.items():
        if seen is None:
            wrong.append(f"{name} is not there (or private without the bot): make it and invite the bot")
        elif seen[1]:
            wrong.append(f"{name} is archived: bring it back")
        elif not seen[0]:
            wrong.append(f"the bot is no member of {name}: invite it")
    if wrong or not channels:
        return found(item, Verdict.FAIL, f"{'; '.join(wrong) or 'No channel was asked for'}.")
    return found(item, Verdict.PASS, f"There, with the bot as a member: {', '.join(channels)}.")


def judge_dns(item: DnsProof, addresses: Mapping[str, Sequence[str]]) -> Finding:
    """Every name has an address."""
    if lost := [name for name in item.names if not addresses.get(name)]:
        return found(item, Verdict.FAIL, f"Without an address: {', '.join(lost)}. Add the DNS records.")
    shown = ", ".join(f"{name} ({addresses[name][0]})" for name in item.names)
    return found(item, Verdict.PASS, f"Resolved: {shown}.")


def judge_drill(item: DrillProof, succeeded: datetime | None, now: datetime) -> Finding:
    """A drill succeeded lately."""
    days = format_duration(item.fresh).removesuffix("d")
    if succeeded is None or too_old(succeeded, item.fresh, now):
        lately = f"{days} days" if days.isdigit() else days
        sentence = f"no drill of this flag in the last {lately}: run `tidegate drill PLAN --as EMAIL`"
        return found(item, Verdict.FAIL, sentence)
    return found(item, Verdict.PASS, f"The last successful drill was on {succeeded:%Y-%m-%d %H:%M} UTC.")


def judge_roles(item: RolesProof, plan: Plan) -> Finding:
    """Every role names somebody, and is an approver of every wave's gate where that is asked."""
    wrong = [f"nobody is named for {role}" for role in item.roles if not plan.roles.get(role)]
    if item.each_wave:
        wrong += [
            f"{role} is no approver of the gate before {wave.title}"
            for role in item.roles
            for wave in plan.waves
            if role not in wave.gate.approvers
        ]
    if wrong:
        return found(item, Verdict.FAIL, f"{'; '.join(wrong)}: name them in the plan.")
    named = "; ".join(f"{role}: {', '.join(plan.roles[role])}" for role in item.roles)
    where = f" at each of the {len(plan.waves)} gates" if item.each_wave else ""
    return found(item, Verdict.PASS, f"Named{where}: {named}.")
