"""Alerts and their rules, as Prometheus, Thanos, Mimir, VictoriaMetrics and vmalert answer, and as they break."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from blocks.prometheus.alert_rules import alert_rules, healthy_rules
from blocks.prometheus.block import Prometheus
from tests.blocks.conftest import Answer, LocalServer, Request
from tidegate.criteria.alerting.alert_rules import AlertRules
from tidegate.values.samples import NoDataReason

NOW = datetime.now(UTC)
CRITICAL = {"severity": "critical"}


def rule(name: str = "HighErrors", /, **changes: Any) -> dict[str, Any]:
    found = {
        "name": name,
        "type": "alerting",
        "query": "errors > 1",
        "labels": {"severity": "critical"},
        "health": "ok",
        "lastEvaluation": NOW.isoformat(),
        "alerts": [],
        **changes,
    }
    return {key: value for key, value in found.items() if value is not ...}


def group(*rules: Any, **changes: Any) -> dict[str, Any]:
    return {"name": "shop", "interval": 15, "rules": list(rules), **changes}


def healthy(groups: Any, labels: dict[str, str] = CRITICAL, named: AlertRules | None = None) -> int:
    return healthy_rules(alert_rules(groups, NOW), labels, named)


ODD: dict[str, Any] = {
    "labels left out, as vmalert does": rule("Odd", labels=...),
    "labels null": rule("Odd", labels=None),
    "no last evaluation": rule("Odd", lastEvaluation=...),
    "a last evaluation that is no date": rule("Odd", lastEvaluation="yesterday"),
    "no name": rule("Odd", name=...),
    "no health": rule("Odd", health=...),
    "not evaluated yet": rule("Odd", lastEvaluation="0001-01-01T00:00:00Z"),
    "alerts null": rule("Odd", alerts=None, health="err"),
    "null": None,
    "a text": "HighErrors",
    "a recording rule": rule("Odd", type="recording"),
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_rule_is_not_healthy_and_the_rest_stand(odd: str) -> None:
    assert healthy([group(ODD[odd]), group(rule())]) == 1


@pytest.mark.parametrize(
    "odd", [None, "shop", {}, {"name": "x"}, {"rules": None}, {"rules": {}}, group(interval="a while")]
)
def test_an_odd_group_leaves_the_others(odd: Any) -> None:
    assert healthy([odd, group(rule())]) == 1


@pytest.mark.parametrize("interval", [15, "15s", "15", None, 1e308, "NaN"])
def test_an_interval_in_any_form(interval: Any) -> None:
    fresh, old = rule(), rule(lastEvaluation=(NOW - timedelta(minutes=3)).isoformat())
    assert healthy([group(fresh, old, interval=interval)]) == 1


@pytest.mark.parametrize("none", [None, []])
def test_no_groups_are_no_healthy_rule_and_no_fault(none: Any) -> None:
    assert healthy(none) == 0


COULD: dict[str, tuple[dict[str, Any], dict[str, str], bool]] = {
    "its own label": ({}, CRITICAL, True),
    "another value of its own label": ({}, {"severity": "page"}, False),
    "a severity from a template": ({"labels": {"severity": "{{ $labels.level }}"}}, CRITICAL, True),
    "its name": ({}, {"alertname": "HighErrors"}, True),
    "another name": ({}, {"alertname": "Other"}, False),
    "a label it sums by": ({"query": "sum by (service, env) (rate(e[5m])) > 1"}, {"service": "shop"}, True),
    "a label it sums away": ({"query": 'sum(rate(e{path="/"}[5m])) > 1'}, {"service": "shop"}, False),
    "a label it selects": ({"query": 'rate(e{service="shop"}[5m]) > 1'}, {"service": "shop"}, True),
    "a label it selects by pattern": ({"query": 'rate(e{service=~"sho.*"}[5m]) > 1'}, {"service": "shop"}, True),
    "another one it selects": ({"query": 'sum by (service) (e{service="web"}) > 1'}, {"service": "shop"}, False),
    "its target's job": ({"query": "rate(e[5m]) > 1"}, {"job": "shop"}, True),
    "a job that is summed away": ({"query": "sum(rate(e[5m])) > 1"}, {"job": "shop"}, False),
    "a label that nothing tells of": ({"query": "rate(e[5m]) > 1"}, {"servce": "shop"}, False),
    "what its alerts carry": (
        {"query": "sum(e)", "alerts": [{"state": "pending", "labels": {"service": "shop"}}]},
        {"service": "shop"},
        True,
    ),
    "half of what is wanted": ({"query": "sum by (service) (e) > 1"}, {"service": "shop", "env": "prod"}, False),
}


@pytest.mark.parametrize("case", COULD)
def test_a_rule_is_known_by_what_its_alerts_carry_or_could(case: str) -> None:
    changes, wanted, could = COULD[case]
    assert healthy([group(rule(**changes))], wanted) == could


def test_the_plan_may_name_the_rules_and_then_all_of_them_must_be_healthy() -> None:
    groups = [group(rule("A"), rule("B", health="err")), group(rule("C"), name="web")]
    wanted = {"service": "shop"}
    assert healthy(groups, wanted, AlertRules(names=("A",))) == 1
    assert healthy(groups, wanted, AlertRules(names=("A", "C"))) == 2
    assert healthy(groups, wanted, AlertRules(names=("A", "gone"))) == 0
    assert healthy(groups, wanted, AlertRules(groups=("shop",))) == 0, "one of them is not healthy"
    assert healthy(groups, wanted, AlertRules(groups=("web",), labels=CRITICAL)) == 1
    assert healthy(groups, wanted, AlertRules(labels={"severity": "page"})) == 0


def test_our_own_rules_prove_nothing() -> None:
    own = [rule("TidegateNoData"), rule("X", labels={**CRITICAL, "tidegate": "own"})]
    assert healthy([group(*own)]) == 0


def _json(status: int, body: object) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()


FIRING = {
    "resultType": "vector",
    "result": [{"metric": {"alertname": "HighErrors", "severity": "critical"}, "value": [1, "1"]}],
}
QUIET = {"resultType": "vector", "result": []}
RULES = {"groups": [group(rule())]}


def asked(server: LocalServer, series: Answer, rules: Answer) -> Any:
    def answer(request: Request) -> Answer:
        return rules if "/rules" in request.path else series

    server.answer = answer
    return Prometheus(url=server.url).alerts(CRITICAL, NOW)


GOOD = _json(200, {"status": "success", "data": RULES})
LACKING: dict[str, Answer] = {
    "404": _json(404, {}),
    "503": _json(503, {"status": "error", "error": "busy"}),
    "no JSON": (200, {}, b"<html>"),
    "groups null": _json(200, {"data": {"groups": None}}),
    "groups a text": _json(200, {"data": {"groups": "many"}}),
    "rules null": _json(200, {"data": {"groups": [{"name": "x", "rules": None}]}}),
    "an odd rule elsewhere": _json(200, {"data": {"groups": [group(None, rule(labels=None)), None]}}),
    "a warning": _json(200, {"data": RULES, "warnings": ["one ruler is down"]}),
}


@pytest.mark.parametrize("rules", LACKING)
def test_what_fires_counts_whatever_the_rules_api_answers(local_server: LocalServer, rules: str) -> None:
    seen = asked(local_server, _json(200, {"status": "success", "data": FIRING}), LACKING[rules])
    assert seen.firing == ("HighErrors",)


@pytest.mark.parametrize("more", [{"warnings": ["a store is down"]}, {"isPartial": True}])
def test_what_fires_counts_in_a_partial_answer(local_server: LocalServer, more: dict[str, Any]) -> None:
    seen = asked(local_server, _json(200, {"status": "success", "data": FIRING, **more}), GOOD)
    assert seen.firing == ("HighErrors",)
    seen = asked(local_server, _json(200, {"status": "success", "data": QUIET, **more}), GOOD)
    assert (seen.firing, seen.healthy_rules, seen.problem.reason) == ((), 0, NoDataReason.PARTIAL)


@pytest.mark.parametrize("series", [_json(503, {}), (200, {}, b"<html>"), _json(200, {"data": {"result": None}})])
def test_what_the_rules_tell_to_fire_counts_where_the_series_cannot_be_read(
    local_server: LocalServer, series: Answer
) -> None:
    fires = {"state": "firing", "labels": {"severity": "critical"}}
    rules = _json(200, {"data": {"groups": [group(rule(alerts=[fires]), rule("TidegateOwn", alerts=[fires]))]}})
    assert asked(local_server, series, rules).firing == ("HighErrors",)


def test_advice_among_the_warnings_is_no_partial_answer(local_server: LocalServer) -> None:
    advice = {"warnings": ['PromQL info: metric might not be a counter, name does not end in _total: "x" (1:5)']}
    seen = asked(local_server, _json(200, {"status": "success", "data": QUIET, **advice}), GOOD)
    assert (seen.firing, seen.healthy_rules, seen.problem) == ((), 1, None)
