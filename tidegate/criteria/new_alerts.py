"""Alerts that began since the wave began; those that fired before it do not count."""

from collections.abc import Mapping
from datetime import timedelta

from tidegate.criteria.history_kinds import NewAlerts
from tidegate.criteria.threshold import no_data_words, no_healthy_rule, on_dry_run
from tidegate.values.samples import AlertReading, NoData, Reading
from tidegate.values.verdict import Finding, Verdict

_STALE = timedelta(minutes=5)


def new_alerts_query(labels: Mapping[str, str], elapsed: timedelta, soak: timedelta) -> str:
    """How many alerts fired within the trailing soak of the wave that did not fire when it began.

    An alert that fired when the wave began, ended and came again is not told from one that went on.
    """
    alerts = firing_alerts(labels)
    span = max(min(elapsed, soak), timedelta(seconds=1))
    before = f"max_over_time({alerts}[{_ms(_STALE)}] offset {_ms(max(elapsed, timedelta(seconds=1)))})"
    return f"count(max_over_time({alerts}[{_ms(span)}]) unless {before}) or vector(0)"


def firing_alerts(labels: Mapping[str, str]) -> str:
    """The series of alerts with these labels that fire, without our own."""
    matchers = "".join(f',{name}="{_escaped(value)}"' for name, value in sorted(labels.items()))
    return f'ALERTS{{alertstate="firing",alertname!~"Tidegate.*",tidegate!="own"{matchers}}}'


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _ms(span: timedelta) -> str:
    return f"{round(span.total_seconds() * 1000)}ms"


def judge_new_alerts(id_: str, item: NewAlerts, count: Reading, rules: AlertReading, query: str) -> Finding:
    """None began, and at least one healthy rule could have told."""
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
