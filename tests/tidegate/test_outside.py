"""Counts, costs, known requests and test alarms: what passes, what fails, and what is no evidence."""

import json
from datetime import timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tests.tidegate.builders import PLAN, ROLLOUT, T0, Journal, plan_of
from tidegate.criteria.alerting.alarm_test import AlarmTest, judge_alarm_test, outcome, still_counts
from tidegate.criteria.control import customers_held_out
from tidegate.criteria.external.cost import Cost, judge_cost, priced
from tidegate.criteria.external.count import Count, judge_count
from tidegate.criteria.external.figures import figure_in
from tidegate.criteria.external.known_requests import ProbeResult, Reply
from tidegate.criteria.external.synthetic import (
    MOST_KNOWN,
    Synthetic,
    judge_synthetic,
    known_requests,
    reply_of,
)
from tidegate.criteria.kinds import CRITERION_KINDS
from tidegate.journal.kinds import Kind
from tidegate.journal.records import TestRecord
from tidegate.notices.alarm_test_text import alarm_notice
from tidegate.pages.plan_sentences import criterion_sentence
from tidegate.plan.model import Criterion
from tidegate.values.model import ContradictionsError
from tidegate.values.samples import NoData, NoDataReason, Sample
from tidegate.values.verdict import Verdict

P, I, E, F, N = Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL, Verdict.NOT_APPLICABLE  # noqa: E741
READ: TypeAdapter[Criterion] = TypeAdapter(Criterion)


def example(kind: str, **changes: Any) -> Any:
    body = {**yaml.safe_load(CRITERION_KINDS[kind].example), **changes}
    return READ.validate_python({key: value for key, value in body.items() if value is not None})


@pytest.mark.parametrize("kind", ["count", "cost", "synthetic", "alarm_test"])
def test_each_example_is_a_criterion_of_its_kind_and_reads_well(kind: str) -> None:
    item = example(kind)
    assert item.kind == kind
    assert criterion_sentence(item, PLAN)
    assert "dry run" in criterion_sentence(example(kind, dry_run=True), PLAN)


@pytest.mark.parametrize(
    ("kind", "changes", "where", "words"),
    [
        ("count", {"below": 1}, "", "exactly one of below or above"),
        ("count", {"above": None}, "", "found no bound"),
        ("count", {"above": "5%"}, "above", "allowed is a bare number"),
        ("count", {"when": ["trigger", "enter"]}, "when", "trigger alone"),
        ("cost", {"below": "300"}, "below", "allowed is a number with '$'"),
        ("cost", {"price": "30"}, "price", "an amount such as $30.37"),
        ("cost", {"price": "$0"}, "price", "above $0"),
        ("cost", {"price": None}, "", "found query, allowed are none"),
        ("cost", {"source": "x", "pointer": "/a"}, "", "found source and pointer and query and price"),
        ("synthetic", {"when": "enter"}, "when", "during and trigger"),
        ("synthetic", {"patience": "4s"}, "patience", "allowed is 1s to 3s"),
        ("synthetic", {"legacy": {"user": "a", "group": "synthetic"}}, "legacy.group", "another group"),
        ("synthetic", {"legacy_path": "new"}, "legacy_path", "another word"),
        ("synthetic", {"user_header": "Authorization"}, "user_header", "without secrets"),
        ("alarm_test", {"when": "during"}, "when", "allowed for alarm_test is enter"),
        ("alarm_test", {"reaches": ["slack", "slack"]}, "reaches", "each word once"),
    ],
)
def test_what_contradicts_itself_is_refused(kind: str, changes: dict[str, Any], where: str, words: str) -> None:
    with pytest.raises(ValueError) as refused:
        example(kind, **changes)
    cause = refused.value.errors()[0]["ctx"]["error"]  # type: ignore[attr-defined]
    assert isinstance(cause, ContradictionsError)
    assert [".".join(map(str, place)) for place, text in cause.problems if words in text] == [where]


@pytest.mark.parametrize("path", ["http://x/", "//x/y", "/a b", "/a\r\nx: y", "a", "/a#b"])
def test_a_path_cannot_lead_elsewhere(path: str) -> None:
    with pytest.raises(ValueError):
        example("synthetic", send=path)


def test_the_callers_of_known_requests_take_both_paths_in_every_wave() -> None:
    body = yaml.safe_load(CRITERION_KINDS["synthetic"].example)
    flag = {"key": "new-path", "always_on": ["synthetic"], "always_off": ["synthetic-control"]}
    criteria = [*(c.model_dump(mode="json", by_alias=True) for c in PLAN.waves[0].criteria), body]
    assert customers_held_out(plan_of({"flag": flag, "waves.0.criteria": criteria})) == ()
    held = {**flag, "always_off": ["synthetic-control", "held"]}
    assert customers_held_out(plan_of({"flag": held, "waves.0.criteria": criteria})) == ("held",)
    for missing, where in (("always_on", "new"), ("always_off", "legacy")):
        with pytest.raises(ValueError, match=f"{where}.group.*flag.{missing}"):
            plan_of({"flag": {**flag, missing: ["other"]}, "waves.0.criteria": criteria})


# Figures


@pytest.mark.parametrize(
    ("status", "body", "pointer", "expected"),
    [
        (200, '{"open": 2}', "/open", 2.0),
        (200, '{"open": 0}', "/open", 0.0),
        (200, "7", "", 7.0),
        (200, '{"a": [1, {"n": 2.5}]}', "/a/1/n", 2.5),
        (200, '{"open": "2"}', "/open", "which is no number"),
        (200, '{"open": true}', "/open", "true, which is no number"),
        (200, '{"open": null}', "/open", "null, which is no number"),
        (200, '{"open": [1]}', "/open", "a list, which is no number"),
        (200, '{"open": NaN}', "/open", "nan"),
        (200, '{"open": Infinity}', "/open", "inf"),
        (200, f'{{"open": 1{"0" * 400}}}', "/open", "inf"),
        (200, '{"open": -1}', "/open", "allowed is 0 or more"),
        (200, '{"shut": 1}', "/open", "open"),
        (200, "[1]", "/1", "1"),
        (200, "<html>", "/open", "not JSON"),
        (200, "", "/open", "not JSON"),
        (200, "[" * 100_000, "/open", "not JSON"),
        (500, '{"open": 2}', "/open", "HTTP 500"),
        (204, "", "/open", "HTTP 204"),
    ],
)
def test_only_a_plain_number_is_a_figure(status: int, body: str, pointer: str, expected: float | str) -> None:
    found = figure_in(status, body.encode(), pointer, T0)
    if isinstance(expected, float):
        assert isinstance(found, Sample)
        assert found.value == expected
    else:
        assert isinstance(found, NoData)
        assert expected in found.detail
        assert found.reason.spends_no_data_budget


@pytest.mark.parametrize(
    ("changes", "value", "expected"),
    [
        ({}, 5, P),
        ({}, 6, F),
        ({}, 0, P),
        ({"when": "enter", "above": None, "below": 1}, 0, P),
        ({"when": "enter", "above": None, "below": 1}, 1, F),
        ({"when": "during", "above": 3}, 4, P),
        ({"when": "during", "above": 3}, 3, F),
        ({}, None, E),
        ({"dry_run": True}, 6, N),
    ],
)
def test_a_count_is_held_against_its_bound(changes: dict[str, Any], value: float | None, expected: Verdict) -> None:
    reading = NoData(NoDataReason.UNREACHABLE, T0, "down") if value is None else Sample(value, T0)
    found = judge_count("id", example("count", **changes), reading)
    assert (found.verdict, found.observed) == (expected, value)
    assert (value == 0) == ("none occurred" in found.sentence)


@pytest.mark.parametrize(
    ("units", "expected", "observed", "words"),
    [
        (Sample(6, T0), P, 182.22, "$182.22; must be below $300"),
        (Sample(10, T0), F, 303.7, "$303.70; must be below $300"),
        (Sample(-1, T0), E, None, "0 or more"),
        (NoData(NoDataReason.NO_SERIES, T0), E, None, "no series"),
    ],
)
def test_a_cost_is_worked_out_and_held_against_its_bound(
    units: Sample | NoData, expected: Verdict, observed: float | None, words: str
) -> None:
    item = example("cost")
    found = judge_cost("id", item, priced(units, item.price))
    assert (found.verdict, found.observed) == (expected, pytest.approx(observed) if observed else None)
    assert words in found.sentence


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.sampled_from(["enter", "during", "trigger"]))
def test_a_larger_figure_never_lifts_the_verdict(one: float, other: float, when: str) -> None:
    side = {"above": 5, "below": None} if when == "trigger" else {"above": None, "below": 5}
    item = example("count", when=when, **side)
    better, worse = (judge_count("id", item, Sample(x, T0)).verdict for x in sorted((one, other)))
    assert not (worse is P and better is not P)


# Known requests

RIGHT, WRONG, REFUSED, SILENT, ASTRAY = Reply


@pytest.mark.parametrize(
    ("told", "expected", "words"),
    [
        ([(RIGHT, RIGHT), (RIGHT, RIGHT)], P, "All 2 known requests"),
        ([(RIGHT, SILENT)], P, "All 1"),
        ([(RIGHT, RIGHT), (WRONG, RIGHT)], F, "Corruption"),
        ([(WRONG, SILENT)], F, "Corruption"),
        ([(WRONG, WRONG)], F, "Corruption"),
        ([(RIGHT, RIGHT), (SILENT, RIGHT)], F, "does not answer k1 while"),
        ([(SILENT, SILENT), (SILENT, RIGHT)], F, "does not answer k1 while"),
        ([(REFUSED, RIGHT), (REFUSED, RIGHT)], F, "every known request with an error"),
        ([(RIGHT, RIGHT), (REFUSED, RIGHT)], I, "the error rate says how often"),
        ([(SILENT, SILENT)], E, "k0 tells nothing"),
        ([(SILENT, REFUSED)], E, "k0 tells nothing"),
        ([(REFUSED, REFUSED)], E, "k0 tells nothing"),
        ([(RIGHT, RIGHT), (ASTRAY, RIGHT)], E, "k1 tells nothing: astray"),
        ([(SILENT, ASTRAY)], E, "k0 tells nothing"),
        ([], E, "No known request"),
    ],
)
def test_known_requests_tell_corruption_from_silence_from_no_evidence(
    told: list[tuple[Reply, Reply]], expected: Verdict, words: str
) -> None:
    rows = [ProbeResult(f"k{n}", new, legacy) for n, (new, legacy) in enumerate(told)]
    found = judge_synthetic("id", example("synthetic"), rows)
    assert found.verdict is expected
    assert words in found.sentence
    assert found.n == len(told)
    dry = judge_synthetic("id", example("synthetic", dry_run=True), rows)
    assert dry.verdict is N


@given(st.lists(st.tuples(st.sampled_from(Reply), st.sampled_from(Reply)), max_size=5))
def test_known_requests_pass_only_when_each_was_answered_rightly_on_the_new_path(pairs: list[Any]) -> None:
    found = judge_synthetic("id", example("synthetic"), [ProbeResult("k", *pair) for pair in pairs])
    assert (found.verdict is P) == (bool(pairs) and all(new is RIGHT for new, _ in pairs))


@pytest.mark.parametrize(
    ("status", "body", "path", "expected"),
    [
        (200, '{"a": 1, "b": 2}', "new", RIGHT),
        (200, '{"b": 2, "a": 1}', "new", RIGHT),
        (200, '{"a": true, "b": 2}', "new", WRONG),
        (200, '{"a": 1}', "new", WRONG),
        (200, "oops", "new", WRONG),
        (200, '{"a": 1, "b": 2}', "legacy", ASTRAY),
        (200, '{"a": 1, "b": 2}', None, ASTRAY),
        (500, '{"a": 1, "b": 2}', "new", REFUSED),
    ],
)
def test_an_answer_is_held_against_the_known_one(status: int, body: str, path: str | None, expected: Reply) -> None:
    assert reply_of(status, body.encode(), path, "new", {"a": 1, "b": 2}) is expected


@pytest.mark.parametrize(
    "listed", [[], {}, 7, [1], [{"id": "a", "body": {}}], [{"id": 1, "body": 1, "answer": 1}], [{}] * (MOST_KNOWN + 1)]
)
def test_known_requests_that_cannot_be_read_are_refused(listed: Any) -> None:
    with pytest.raises(ValueError, match="found"):
        known_requests(200, json.dumps(listed).encode())


# Test alarms

HOUR = timedelta(hours=1)


def record(verdict: Verdict) -> TestRecord:
    return TestRecord(T0, verdict, "Said.", 3, 3)


@pytest.mark.parametrize(
    ("verdict", "age", "counts", "expected"),
    [
        (P, 0 * HOUR, True, P),
        (P, 23 * HOUR, True, P),
        (P, 24 * HOUR, False, E),
        (F, timedelta(seconds=30), True, F),
        (F, timedelta(seconds=61), False, F),
        (E, timedelta(seconds=61), False, E),
        (I, timedelta(seconds=61), False, I),
    ],
)
def test_a_passed_test_alarm_counts_a_day_and_a_failed_one_is_soon_repeated(
    verdict: Verdict, age: timedelta, counts: bool, expected: Verdict
) -> None:
    item = example("alarm_test")
    assert still_counts(record(verdict), item.fresh, T0 + age) is counts
    assert judge_alarm_test("id", item, record(verdict), T0 + age).verdict is expected


def test_no_test_alarm_is_no_evidence() -> None:
    assert not still_counts(None, 24 * HOUR, T0)
    assert judge_alarm_test("id", example("alarm_test"), None, T0).verdict is E
    assert judge_alarm_test("id", example("alarm_test", dry_run=True), None, T0).verdict is N


def test_the_worst_step_decides_and_the_journal_remembers_it() -> None:
    body = outcome({"rules": (P, "a."), "slack": (F, "b.")})
    assert body == {"verdict": "FAIL", "sentence": "a. b.", "arrived": 1, "wanted": 2}
    journal = Journal().extend((Kind.OPENED, {}), (Kind.TESTED, {"criterion": "first.1", **body}))
    assert journal.state.evidence.tested["first.1"] == TestRecord(T0, F, "a. b.", 1, 2)


def test_a_test_alarm_says_so_and_is_a_problem_of_its_own() -> None:
    notice = alarm_notice(PLAN, ROLLOUT, "first.1", T0)
    assert notice.title.startswith("TEST ALARM")
    assert "nothing is wrong" in notice.body
    assert notice.problem not in ("", "rollback")
    assert not isinstance(example("count"), AlarmTest | Cost | Synthetic)
    assert isinstance(example("count"), Count)
