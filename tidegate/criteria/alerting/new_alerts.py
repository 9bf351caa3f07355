"""Alerts that began since the wave began; those that fired before it do not count."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints

from tidegate.criteria.alerting.alert_rules import RULES_FIELD, AlertRules, LabelName
from tidegate.criteria.alerting.alerts import firing_alerts_query, no_healthy_rule
from tidegate.criteria.base import BaseCriterion, Judgement, When
from tidegate.criteria.context import Context
from tidegate.criteria.findings import no_data_words, on_dry_run
from tidegate.criteria.plan_facts import PlanFacts
from tidegate.criteria.requests import AlertsNow, Answers, Events, Request
from tidegate.criteria.stances import NotReplayed, Stance
from tidegate.values.samples import AlertReading, NoData, Reading
from tidegate.values.verdict import Finding, Verdict

_STALE = timedelta(minutes=5)


EXAMPLE = """\
# Alerts that fired before the wave began do not count.
kind: new_alerts
when: during
text: Zero new CRITICAL alerts
labels: { severity: critical, service: batch-patches }
"""


class NewAlerts(BaseCriterion):
    """No alert with these labels began since the wave began, and at least one healthy rule could have fired."""

    example: ClassVar[str] = EXAMPLE
    critical_alerts: ClassVar[Literal["", "firing", "new"]] = "new"

    kind: Literal["new_alerts"]
    labels: dict[LabelName, Annotated[str, StringConstraints(min_length=1)]] = Field(
        min_length=1, description="The labels an alert must carry to count."
    )
    rules: AlertRules | None = Field(default=None, description=RULES_FIELD)

    def _query(self, at: Context) -> str:
        return new_alerts_query(self.labels, at.now - at.began, at.timing.soak(at.wave))

    @property
    def _rules(self) -> AlertsNow:
        return AlertsNow(tuple(self.labels.items()), self.rules)

    def requests(self, at: Context) -> Sequence[Request[Any]]:
        """How many began within the trailing soak of the wave under way, and the rules."""
        return (Events(self._query(at)), self._rules)

    def judge(self, at: Context, answers: Answers) -> Judgement:
        """None began, and a healthy rule could have reported."""
        query = self._query(at)
        return judge_new_alerts(at.id, self, answers[Events(query)], answers[self._rules], query), None

    def sentence(self, plan: PlanFacts) -> str:
        """`no alert with severity=critical began since the wave began`."""
        labels = ", ".join(f"{name}={value}" for name, value in self.labels.items())
        return f"{'any' if When.TRIGGER in self.when else 'no'} alert with {labels} began since the wave began"

    def in_backtest(self, at: Context) -> Stance:
        """Not at all."""
        return NotReplayed("when each alert began is asked anew at each look")


def new_alerts_query(labels: Mapping[str, str], elapsed: timedelta, soak: timedelta) -> str:
    """How many alerts fired within the trailing soak of the wave that did not fire when it began.

    An alert that fired when the wave began, ended and came again is not distinguished from one that went on.
    """
    alerts = firing_alerts_query(labels)
    span = max(min(elapsed, soak), timedelta(seconds=1))
    before = f"max_over_time({alerts}[{_ms(_STALE)}] offset {_ms(max(elapsed, timedelta(seconds=1)))})"
    return f"count(max_over_time({alerts}[{_ms(span)}]) unless {before}) or vector(0)"


def _ms(span: timedelta) -> str:
    return f"{round(span.total_seconds() * 1000)}ms"


def judge_new_alerts(id_: str, item: NewAlerts, count: Reading, rules: AlertReading, query: str) -> Finding:
    """None began, and at least one healthy rule could have reported."""
    labels = ", ".join(f"{name}={value}" for name, value in sorted(item.labels.items()))
    observed = None if isinstance(count, NoData) else count.value
    if isinstance(count, NoData):
        verdict, sentence = Verdict.ERROR, f"Alerts cannot be counted ({no_data_words(count)})."
    elif count.value > 0:
        verdict, sentence = Verdict.FAIL, f"{count.value:.0f} began since the wave began."
    elif rules.problem is not None:
        verdict, sentence = Verdict.ERROR, f"Alert rules cannot be read ({no_data_words(rules.problem)})."
    elif rules.healthy_rules < 1:
        verdict, sentence = Verdict.ERROR, no_healthy_rule(labels, item.rules, rules)
    else:
        verdict, which = Verdict.PASS, item.rules.words if item.rules else labels
        sentence = f"None began since the wave began; {rules.healthy_rules} healthy rules with {which}."
    return on_dry_run(item, Finding(id_, item.text, verdict, sentence, observed, "0 new", None, query))
