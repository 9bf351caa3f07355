"""The rules API, read rule by rule: which alerts fire there, and which healthy rules could fire an alert."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tidegate.criteria.alerting.alert_rules import AlertRules
from tidegate.values.units import parse_duration

_LATE_AT_LEAST = timedelta(seconds=60)
_TARGET_LABELS = ("job", "instance", "namespace")  # what every scraped series carries
_AGGREGATORS = re.compile(
    r"\b(?:sum|avg|min|max|count|group|stddev|stdvar|topk|bottomk|quantile|count_values|absent|absent_over_time|"
    r"scalar|vector)\s*(?:by\b|without\b)?\s*\("
)
_KEPT = re.compile(r"\b(?:by|group_left|group_right)\s*\(([^()]*)\)")
_MATCHER = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|=|!=|!~)\s*"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One alerting rule: what it is called, what it asks, and the labels of its alerts so far."""

    name: str
    group: str
    labels: Mapping[str, str]
    query: str
    alerts: tuple[Mapping[str, str], ...]  # those that are pending or firing
    firing: tuple[Mapping[str, str], ...]
    healthy: bool

    @property
    def own(self) -> bool:
        """Whether it is one of ours."""
        return self.name.startswith("Tidegate") or self.labels.get("tidegate") == "own"

    def could_fire(self, wanted: Mapping[str, str]) -> bool:
        """Whether an alert of it carries these labels, or could: by its name, its own labels, or what it asks."""
        if any(wanted.items() <= {"alertname": self.name, **alert}.items() for alert in self.alerts):
            return True
        return all(self._could_carry(label, value) for label, value in wanted.items())

    def _could_carry(self, label: str, value: str) -> bool:
        if label == "alertname":
            return self.name == value
        if label in self.labels:
            stated = self.labels[label]
            return stated == value or "{{" in stated
        matchers = [(how, text) for name, how, text in _MATCHER.findall(self.query) if name == label and how[0] == "="]
        if matchers:
            return any(_matches(how, text, value) for how, text in matchers)
        if any(label in re.split(r"[\s,]+", names) for names in _KEPT.findall(self.query)):
            return True
        return label in _TARGET_LABELS and _AGGREGATORS.search(self.query) is None

    def is_named_by(self, rules: AlertRules) -> bool:
        """Whether the plan means this rule: by name, group and labels, each where it is given."""
        return (
            (not rules.names or self.name in rules.names)
            and (not rules.groups or self.group in rules.groups)
            and rules.labels.items() <= self.labels.items()
        )


def alert_rules(groups: Any, at: datetime) -> tuple[AlertRule, ...]:
    """Every alerting rule that can be read; one that cannot is not there, the rest stand.

    Raises TypeError where the answer holds no groups at all, not even an empty list of them.
    """
    if groups is not None and not isinstance(groups, list):
        raise TypeError("no list of groups")
    return tuple(rule for group in groups or () for rule in _rules_of(group, at))


def healthy_rules(rules: Sequence[AlertRule], labels: Mapping[str, str], named: AlertRules | None) -> int:
    """How many of them are healthy, were evaluated lately, and could tell; every one that the plan names must be."""
    others = [rule for rule in rules if not rule.own]
    if named is None:
        return sum(rule.healthy and rule.could_fire(labels) for rule in others)
    meant = [rule for rule in others if rule.is_named_by(named)]
    missing = set(named.names) - {rule.name for rule in meant}
    return len(meant) if meant and not missing and all(rule.healthy for rule in meant) else 0


def firing_alerts(rules: Sequence[AlertRule], labels: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the rules of which an alert with these labels fires."""
    firing = (r.name for r in rules if not r.own and any(_carries(r, alert, labels) for alert in r.firing))
    return tuple(sorted(set(firing)))


def _carries(rule: AlertRule, alert: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return alert.get("tidegate") != "own" and labels.items() <= {"alertname": rule.name, **alert}.items()


def _rules_of(group: Any, at: datetime) -> Iterator[AlertRule]:
    if not isinstance(group, dict):
        return
    limit = max(_LATE_AT_LEAST, 3 * _interval(group.get("interval")))
    rules = group.get("rules")
    for rule in rules if isinstance(rules, list) else ():
        if isinstance(rule, dict) and rule.get("type") == "alerting" and isinstance(rule.get("name"), str):
            alerts = [a for a in _list(rule.get("alerts")) if isinstance(a, dict)]
            yield AlertRule(
                rule["name"],
                str(group.get("name", "")),
                _texts(rule.get("labels")),
                str(rule.get("query", "")),
                tuple(_texts(alert.get("labels")) for alert in alerts),
                tuple(_texts(alert.get("labels")) for alert in alerts if alert.get("state") == "firing"),
                rule.get("health") == "ok" and _evaluated(rule.get("lastEvaluation"), at, limit),
            )


def _list(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []


def _texts(found: Any) -> dict[str, str]:
    """Labels; vmalert leaves out empty ones, others say null."""
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _interval(found: Any) -> timedelta:
    """Seconds as a number, or a duration in words; nothing for what is neither: then a rule may be a minute old."""
    try:
        seconds = float(found)
    except (TypeError, ValueError):
        try:
            return parse_duration(str(found))
        except ValueError:
            return timedelta(0)
    return timedelta(seconds=seconds) if math.isfinite(seconds) and 0 <= seconds < 1e6 else timedelta(0)


def _evaluated(found: Any, at: datetime, limit: timedelta) -> bool:
    """Whether it was evaluated lately; one that does not say when was not."""
    try:
        return at - datetime.fromisoformat(found) <= limit
    except (TypeError, ValueError, OverflowError):
        return False


def _matches(how: str, text: str, value: str) -> bool:
    if how == "=":
        return text == value
    try:
        return re.fullmatch(text, value) is not None
    except re.error:
        return True  # a pattern of another dialect may well match
