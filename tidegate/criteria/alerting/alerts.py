"""Alerts that fire, and the rules that could have fired them: silence counts only where something could have spoken."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints

from tidegate.criteria.alerting.alert_rules import RULES_FIELD, AlertRules, LabelName
from tidegate.criteria.base import BaseCriterion, Judgement, When
from tidegate.criteria.context import Context
from tidegate.criteria.findings import no_data_words, on_dry_run
from tidegate.criteria.metrics.queries import Breach
from tidegate.criteria.plan_facts import PlanFacts
from tidegate.criteria.requests import AlertsNow, Answers, Request
from tidegate.criteria.stances import EachLook, Stance
from tidegate.values.samples import AlertReading
from tidegate.values.units import Unit
from tidegate.values.verdict import Finding, Verdict

EXAMPLE = """\
# Asked at the gate and in each review; passes only where a healthy rule with these labels could have fired.
kind: alerts
when: [enter, during]
text: Zero CRITICAL alerts
labels: { severity: critical, service: batch-patches }
"""


class Alerts(BaseCriterion):
    """No alert that matches these labels is firing, and at least one healthy rule could have fired."""

    example: ClassVar[str] = EXAMPLE
    critical_alerts: ClassVar[Literal["", "firing", "new"]] = "firing"

    kind: Literal["alerts"]
    labels: dict[LabelName, Annotated[str, StringConstraints(min_length=1)]] = Field(
        min_length=1, description="The labels an alert must carry to count."
    )
    rules: AlertRules | None = Field(default=None, description=RULES_FIELD)

    @property
    def asked(self) -> AlertsNow:
        """Its one question."""
        return AlertsNow(tuple(self.labels.items()), self.rules)

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """What fires, and which rules could."""
        return (self.asked,)

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """None fires, and a healthy rule could have reported."""
        return judge_alerts(at.id, self, answers[self.asked]), None

    def sentence(self, plan: PlanFacts) -> str:
        """`no alert with severity=critical is firing`."""
        labels = ", ".join(f"{name}={value}" for name, value in self.labels.items())
        return f"{'any' if When.TRIGGER in self.when else 'no'} alert with {labels} is firing"

    def in_backtest(self, at: Context) -> Stance:
        """Alerts that fired then; whether a healthy rule could have reported is known of today's rules only."""
        return EachLook()

    def unseen_breach(self, at: Context) -> Breach | None:
        """An alert that fires is one too many, however short."""
        firing = firing_alerts_query(self.labels)
        return Breach(
            True,
            0.0,
            Unit.COUNT,
            timedelta(0),
            at.timing.guard,
            f"count({firing})",
            bound_words="0 alerts firing",
            named_by=(firing, "alertname"),
        )


def judge_alerts(id_: str, item: Alerts, reading: AlertReading) -> Finding:
    """No matching alert fires, and at least one healthy rule could have reported."""
    labels = ", ".join(f"{name}={value}" for name, value in sorted(item.labels.items()))
    query = "ALERTS{" + labels + "}"
    if reading.firing:
        names = ", ".join(reading.firing)
        sentence, verdict = f"Firing: {names}.", Verdict.FAIL
    elif reading.problem is not None:
        sentence, verdict = f"Alerts cannot be read ({no_data_words(reading.problem)}).", Verdict.ERROR
    elif reading.healthy_rules < 1:
        sentence, verdict = no_healthy_rule(labels, item.rules, reading), Verdict.ERROR
    else:
        which = item.rules.words if item.rules else labels
        sentence, verdict = f"None firing; {reading.healthy_rules} healthy rules with {which}.", Verdict.PASS
    return on_dry_run(
        item, Finding(id_, item.text, verdict, sentence, float(len(reading.firing)), "0 firing", None, query)
    )


def no_healthy_rule(labels: str, named: AlertRules | None, reading: AlertReading) -> str:
    """That nothing could have fired, and how the plan says what could."""
    read = (
        f"of the {reading.rules_read} alerting rules that could be read" if reading.rules_read else "no rule was read"
    )
    if named is not None:
        return f"No healthy alert rule ({named.words}; {read}), or not all of them: nothing could have fired."
    return (
        f"No healthy alert rule with {labels}: nothing could have fired ({read}). Where alerts get these labels from "
        "their query, name the rules that must be healthy: rules: {names: [...]}, or groups, or labels."
    )


def firing_alerts_query(labels: Mapping[str, str]) -> str:
    """The series of alerts with these labels that fire, without our own."""
    matchers = "".join(f',{name}="{_escaped(value)}"' for name, value in sorted(labels.items()))
    return f'ALERTS{{alertstate="firing",alertname!~"Tidegate.*",tidegate!="own"{matchers}}}'


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
