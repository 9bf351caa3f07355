"""Each kind of proof: what passes, what fails, what is no evidence, and what could not be looked at."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tests.tidegate.builders import PLAN, T0, finding, plan_of
from tidegate.checklist.items import ChecklistItem
from tidegate.checklist.judge import (
    checklist_lines,
    checklist_rows,
    judge_command,
    judge_dns,
    judge_drill,
    judge_http,
    judge_integration,
    judge_on_call,
    judge_prometheus,
    judge_roles,
    judge_slack,
    judge_without_look,
    section_verdicts,
)
from tidegate.checklist.judge_reports import (
    Content,
    FileFacts,
    NoContent,
    judge_backup,
    judge_benchmark,
    judge_files,
    judge_junit,
    judge_reviews,
)
from tidegate.pages.tables import section_table
from tidegate.plan.model import Plan
from tidegate.values.samples import NoData, NoDataReason, Sample
from tidegate.values.verdict import Finding, Verdict

P, I, E, F, N = Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL, Verdict.NOT_APPLICABLE  # noqa: E741
ITEMS: TypeAdapter[Any] = TypeAdapter(ChecklistItem)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
OLD, NEW, FUTURE = T0 - 20 * DAY, T0 - DAY, T0 + 2 * DAY
GONE = NoContent("r.json", "is not there")
BROKEN = NoContent("figures", "ended with exit code 3", broken=True)


def item(proof: str, **more: Any) -> Any:
    return ITEMS.validate_python({"text": "The line", "role": "lead", "proof": proof, **more})


def content(body: object, changed: datetime | None = NEW) -> Content:
    return Content("r.json", body if isinstance(body, bytes) else json.dumps(body).encode(), changed)


def told(found: Finding) -> Finding:
    """Every finding says something, and one that does not pass says what to do."""
    assert found.text == "The line"
    assert found.sentence.strip()
    if found.verdict not in (P, N):
        assert len(found.sentence.split()) > 3
    return found


# JUnit reports

JUNIT = item("junit", report="r.xml", at_least=3, passed="100%", fresh="14d")


def report(passed: int, failed: int = 0, skipped: int = 0, at: datetime | None = NEW) -> bytes:
    cases = "<testcase/>" * passed + "<testcase><failure/></testcase>" * failed
    cases += "<testcase><skipped/></testcase>" * skipped
    stamp = f' timestamp="{at.isoformat()}"' if at else ""
    return f"<testsuite{stamp}>{cases}</testsuite>".encode()


@pytest.mark.parametrize(
    ("evidence", "verdict", "words"),
    [
        (content(report(3)), P, "3 passed, 0 failed"),
        (content(report(9, skipped=5)), P, "5 skipped"),
        (content(report(3, at=None)), P, ""),
        (content(report(2)), F, "at least 3"),
        (content(report(2, skipped=5)), F, "2 passed"),
        (content(report(99, failed=1)), F, "100% passed"),
        (content(report(0)), F, "0 passed"),
        (content(report(3, at=OLD)), I, "older than 14d"),
        (content(report(3, at=FUTURE)), I, "in the future"),
        (content(report(3, at=None), OLD), I, "older"),
        (content(report(3, at=None), None), I, "does not say when"),
        (NoContent("r.xml", "is not there"), I, "Run the tests"),
        (content(b"<html/>"), E, "found <html>"),
        (NoContent("r.xml", "cannot be read", broken=True), E, "cannot be read"),
    ],
)
def test_junit(evidence: Content | NoContent, verdict: Verdict, words: str) -> None:
    found = told(judge_junit(JUNIT, {"r.xml": evidence}, T0))
    assert found.verdict is verdict
    assert words in found.sentence


def test_junit_reports_are_taken_together_and_none_may_be_missing() -> None:
    both = item("junit", report=["a.xml", "b.xml"], at_least=4, fresh="14d")
    assert judge_junit(both, {"a.xml": content(report(2)), "b.xml": content(report(2))}, T0).verdict is P
    assert judge_junit(both, {"a.xml": content(report(9))}, T0).verdict is E
    half = item("junit", report="a.xml", passed="90%", fresh="14d")
    assert judge_junit(half, {"a.xml": content(report(9, failed=1))}, T0).verdict is P
    assert judge_junit(half, {"a.xml": content(report(8, failed=1))}, T0).verdict is F


# Reviews

GITHUB = item("reviews", file="r.json", at="/reviews", by="/author/login", state="/state")


def review(who: str, state: str = "APPROVED") -> dict[str, Any]:
    return {"author": {"login": who}, "state": state}


@pytest.mark.parametrize(
    ("proof", "evidence", "verdict", "words"),
    [
        (GITHUB, content({"reviews": [review("ann"), review("bob")]}), P, "2 approvals (ann, bob)"),
        (GITHUB, content({"reviews": [review("ann", "CHANGES_REQUESTED"), review("ann"), review("bob")]}), P, ""),
        (GITHUB, content({"reviews": [review("ann"), review("ann")]}), F, "1 approvals"),
        (GITHUB, content({"reviews": [review("ann"), review("Ann ")]}), F, "1 approvals"),
        (GITHUB, content({"reviews": [review("ann"), review("bob"), review("bob", "DISMISSED")]}), F, "1 approvals"),
        (GITHUB, content({"reviews": [review("ann"), review("bob", "COMMENTED")]}), F, "ask for more"),
        (GITHUB, content({"reviews": []}), F, "0 approvals"),
        (GITHUB, content({"reviews": [review("")]}), E, "allowed is a name"),
        (GITHUB, content({"reviews": [{"state": "APPROVED"}]}), E, "has no 'author'"),
        (GITHUB, content({"reviews": "many"}), E, "allowed is a count or a list"),
        (GITHUB, content({}), E, "has no 'reviews'"),
        (GITHUB, content(b"<html>"), E, "no JSON"),
        (GITHUB, GONE, I, "Export the reviews"),
        (GITHUB, BROKEN, E, "exit code 3"),
        (item("reviews", command="c", at="/n"), content({"n": 2}), P, "2 approvals"),
        (item("reviews", command="c", at="/n"), content({"n": 1}), F, "at least 2"),
        (item("reviews", command="c", at="/n"), content({"n": True}), E, "allowed is a count"),
        (item("reviews", command="c", at="/n"), content({"n": 2.5}), E, "allowed is a count"),
        (item("reviews", command="c", at="/n"), content({"n": -2}), E, "allowed is a count"),
        (item("reviews", source="s"), content(["ann", "bob"]), P, ""),
        (item("reviews", source="s"), content(["ann", "ann"]), F, ""),
        (item("reviews", file="r.json", fresh="14d"), content(["ann", "bob"], OLD), I, "older"),
    ],
)
def test_reviews(proof: Any, evidence: Content | NoContent, verdict: Verdict, words: str) -> None:
    found = told(judge_reviews(proof, evidence, T0))
    assert found.verdict is verdict, found.sentence
    assert words in found.sentence


# Benchmarks

BENCH = item("benchmark", file="r.json", at="/ms", unit="ms", below="5ms", fresh="14d")
DATED = item("benchmark", command="figures", at="/ms", measured="/at", unit="ms", above="1ms", fresh="14d")


@pytest.mark.parametrize(
    ("proof", "evidence", "verdict", "words"),
    [
        (BENCH, content({"ms": 4.9}), P, "4.90 ms"),
        (BENCH, content({"ms": 5}), F, "below 5 ms"),
        (BENCH, content({"ms": 4}, OLD), I, "measure again"),
        (BENCH, content({"ms": 4}, None), I, "does not say when"),
        (BENCH, content(b'{"ms": NaN}'), I, "no measured value"),
        (BENCH, content(b'{"ms": -Infinity}'), I, "no measured value"),
        (BENCH, content({"ms": "4"}), E, "allowed is a number"),
        (BENCH, content({"ms": True}), E, "allowed is a number"),
        (BENCH, content({"ms": None}), E, "allowed is a number"),
        (BENCH, content({"ms": []}), E, "allowed is a number"),
        (BENCH, content({}), E, "has no 'ms'"),
        (BENCH, content(b"["), E, "no JSON"),
        (BENCH, GONE, I, "Measure"),
        (DATED, content({"ms": 2, "at": NEW.isoformat()}, None), P, "2 ms"),
        (DATED, content({"ms": 1, "at": NEW.isoformat()}, None), F, "above 1 ms"),
        (DATED, content({"ms": 2, "at": OLD.isoformat()}, None), I, "older"),
        (DATED, content({"ms": 2, "at": "soon"}, None), E, "allowed is an instant"),
        (DATED, content({"ms": 2}, None), E, "has no 'at'"),
        (DATED, BROKEN, E, "exit code 3"),
    ],
)
def test_benchmark(proof: Any, evidence: Content | NoContent, verdict: Verdict, words: str) -> None:
    found = told(judge_benchmark(proof, evidence, T0))
    assert found.verdict is verdict, found.sentence
    assert words in found.sentence


def test_a_number_beyond_all_numbers_is_no_measured_value() -> None:
    assert judge_benchmark(BENCH, content(b'{"ms": -' + b"9" * 400 + b"}"), T0).verdict is E


@given(st.floats(), st.floats(allow_nan=False, min_value=0, max_value=1000))
def test_a_worse_number_never_gets_a_better_verdict(one: float, more: float) -> None:
    order = [P, I, E, F]
    here = judge_benchmark(BENCH, content(json.dumps({"ms": one}).encode()), T0).verdict
    worse = judge_benchmark(BENCH, content(json.dumps({"ms": one + more}).encode()), T0).verdict
    assert order.index(worse) >= order.index(here) or worse is I


# Files

FILES = item("files", paths=["README.md", "docs/API.md"])


@pytest.mark.parametrize(
    ("files", "verdict", "words"),
    [
        ({"README.md": FileFacts(5, OLD), "docs/API.md": FileFacts(1, OLD)}, P, "README.md (5 bytes)"),
        ({"README.md": FileFacts(5, OLD), "docs/API.md": FileFacts(0, NEW)}, F, "docs/API.md is empty"),
        ({"README.md": FileFacts(5, OLD), "docs/API.md": None}, F, "docs/API.md is not there"),
        ({}, F, "README.md is not there"),
    ],
)
def test_files(files: dict[str, FileFacts | None], verdict: Verdict, words: str) -> None:
    found = told(judge_files(FILES, files, T0))
    assert (found.verdict, words in found.sentence) == (verdict, True), found.sentence


def test_files_that_must_be_fresh() -> None:
    fresh = item("files", paths=["README.md"], fresh="14d")
    assert judge_files(fresh, {"README.md": FileFacts(5, NEW)}, T0).verdict is P
    assert told(judge_files(fresh, {"README.md": FileFacts(5, OLD)}, T0)).verdict is I


# Backups

FOLDER = item("backup", folder="backups", fresh="26h")
LISTED = item("backup", command="newest", at="/at", fresh="26h")


@pytest.mark.parametrize(
    ("proof", "evidence", "verdict", "words"),
    [
        (FOLDER, Content("backups/a", b"", T0 - 25 * HOUR), P, "backups/a"),
        (FOLDER, Content("backups/a", b"", T0 - 27 * HOUR), F, "mend the backups"),
        (FOLDER, Content("backups/a", b"", None), F, "does not say when"),
        (FOLDER, NoContent("backups", "holds no backup"), I, "Make a backup"),
        (LISTED, content({"at": (T0 - HOUR).isoformat()}, None), P, "newest backup is of 2026-03-02 16:00"),
        (LISTED, content({"at": (T0 - HOUR).timestamp()}, None), P, ""),
        (LISTED, content({"at": OLD.isoformat()}, None), F, "older than 26h"),
        (LISTED, content({"at": FUTURE.isoformat()}, None), F, "in the future"),
        (LISTED, content({"at": None}, None), E, "allowed is an instant"),
        (LISTED, content([], None), E, "without the place 'at'"),
        (LISTED, BROKEN, E, "exit code 3"),
    ],
)
def test_backup(proof: Any, evidence: Content | NoContent, verdict: Verdict, words: str) -> None:
    found = told(judge_backup(proof, evidence, T0))
    assert found.verdict is verdict, found.sentence
    assert words in found.sentence


# Commands and load balancers


@pytest.mark.parametrize("proof", ["command", "load_balancer"])
@pytest.mark.parametrize(
    ("more", "code", "output", "verdict", "words"),
    [
        ({}, 0, "all well", P, "all well"),
        ({}, 0, "", P, "exit code 0."),
        ({}, 1, "2 findings", F, "exit code 1: 2 findings"),
        ({}, -9, "", F, "exit code -9"),
        ({"output": "syntax is ok"}, 0, "nginx: syntax is ok", P, ""),
        ({"output": "^0 findings$"}, 0, "10 findings", F, "does not match"),
        ({"output": "ok"}, 1, "ok", F, "exit code 1"),
        ({"output": "ok"}, 0, "", F, "does not match"),
    ],
)
def test_commands(proof: str, more: dict[str, Any], code: int, output: str, verdict: Verdict, words: str) -> None:
    found = told(judge_command(item(proof, command="check", **more), code, output))
    assert found.verdict is verdict
    assert words in found.sentence


# Web sources

HEALTH = item("http", source="grafana", path="/api/health", at="/database", equals="ok")


@pytest.mark.parametrize(
    ("proof", "status", "body", "verdict", "words"),
    [
        (HEALTH, 200, b'{"database": "ok"}', P, "/database"),
        (HEALTH, 200, b'{"database": "failing"}', F, 'allowed is "ok"'),
        (HEALTH, 503, b'{"database": "ok"}', F, "HTTP 503, allowed is 200"),
        (HEALTH, 302, b"", F, "HTTP 302"),
        (HEALTH, 200, b"<html>", E, "no JSON"),
        (HEALTH, 200, b"\xff\xfe", E, "no JSON"),
        (HEALTH, 200, b"[]", E, "without the place"),
        (HEALTH, 200, b'{"database": ["ok"]}', F, ""),
        (item("http", source="logs"), 200, b"", P, "HTTP 200"),
        (item("http", source="logs", status=204), 204, b"", P, ""),
        (item("http", source="s", at="/n", equals=1), 200, b'{"n": 1}', P, ""),
        (item("http", source="s", at="/n", equals=1), 200, b'{"n": 1.0}', P, ""),
        (item("http", source="s", at="/n", equals=1), 200, b'{"n": true}', F, ""),
        (item("http", source="s", at="/n", equals=True), 200, b'{"n": true}', P, ""),
        (item("http", source="s", at="/n", equals=True), 200, b'{"n": 1}', F, ""),
        (item("http", source="s", at="/n", equals=0), 200, b'{"n": NaN}', F, ""),
        (item("http", source="s", at="/n", equals=0), 200, b'{"n": null}', F, ""),
        (item("http", source="s", at="/n", equals=0), 200, b'{"n": false}', F, ""),
    ],
)
def test_http(proof: Any, status: int, body: bytes, verdict: Verdict, words: str) -> None:
    found = told(judge_http(proof, status, body))
    assert found.verdict is verdict, found.sentence
    assert words in found.sentence


# Prometheus

UP = item("prometheus", query="sum(up)", above=1)


@pytest.mark.parametrize(
    ("reading", "verdict"),
    [
        (Sample(2, T0), P),
        (Sample(1, T0), F),
        (Sample(0, T0), F),
        (NoData(NoDataReason.TOO_FEW, T0), I),
        *((NoData(reason, T0, "why"), E) for reason in NoDataReason if reason is not NoDataReason.TOO_FEW),
    ],
    ids=str,
)
def test_prometheus(reading: Sample | NoData, verdict: Verdict) -> None:
    found = told(judge_prometheus(UP, reading))
    assert (found.verdict, found.query) == (verdict, "sum(up)")


# PagerDuty

DUTY = item("pagerduty", asks="integration", service="shop")
ON_CALL = item("pagerduty", asks="on_call", service="shop")


@pytest.mark.parametrize(
    ("status", "verdict"),
    [("active", P), ("warning", P), ("critical", P), ("maintenance", F), ("disabled", F), ("None", F), (None, F)],
)
def test_integration(status: str | None, verdict: Verdict) -> None:
    assert told(judge_integration(DUTY, status)).verdict is verdict


@pytest.mark.parametrize(
    ("shifts", "verdict"),
    [
        ([(None, None, "ann")], P),
        ([(T0 - DAY, T0 + 3 * DAY, "ann"), (T0 + 3 * DAY, T0 + 9 * DAY, "bob")], P),
        ([(T0 + 3 * DAY, T0 + 9 * DAY, "bob"), (T0 - DAY, T0 + 3 * DAY, "ann")], P),
        ([(T0 - DAY, T0 + 3 * DAY, "ann"), (T0 + 3 * DAY + HOUR, T0 + 9 * DAY, "bob")], F),
        ([(T0 + HOUR, None, "ann")], F),
        ([(None, T0 + 7 * DAY, "ann")], F),
        ([(T0 - 2 * DAY, T0 - DAY, "ann")], F),
        ([], F),
    ],
)
def test_on_call(shifts: list[tuple[datetime | None, datetime | None, str]], verdict: Verdict) -> None:
    found = told(judge_on_call(ON_CALL, shifts, T0, T0 + 8 * DAY))
    assert found.verdict is verdict
    assert verdict is P or "fill the rotation" in found.sentence


moments = st.none() | st.integers(-3, 12).map(lambda hours: T0 + hours * HOUR)


@given(st.lists(st.tuples(moments, moments, st.sampled_from(["ann", "bob"])), max_size=5))
def test_on_call_passes_exactly_when_every_hour_is_covered(
    shifts: list[tuple[datetime | None, datetime | None, str]],
) -> None:
    end = T0 + 8 * HOUR

    def covered(at: datetime) -> bool:
        return any((a is None or a <= at) and (b is None or at < b) for a, b, _ in shifts)

    halves = [T0 + n * HOUR / 2 for n in range(16)]
    assert (judge_on_call(ON_CALL, shifts, T0, end).verdict is P) == all(map(covered, halves))


# Slack, DNS, drills, roles


@pytest.mark.parametrize(
    ("channels", "verdict", "words"),
    [
        ({"#a": (True, False), "#b": (True, False)}, P, "#a, #b"),
        ({"#a": (True, False), "#b": None}, F, "#b is not there"),
        ({"#a": (False, False)}, F, "invite it"),
        ({"#a": (True, True)}, F, "archived"),
        ({}, F, "No channel"),
    ],
)
def test_slack(channels: dict[str, tuple[bool, bool] | None], verdict: Verdict, words: str) -> None:
    found = judge_slack(item("slack"), channels)
    assert found.verdict is verdict
    assert words in found.sentence


@pytest.mark.parametrize(
    ("addresses", "verdict"),
    [({"a": ["::1"], "b": ["10.0.0.1"]}, P), ({"a": ["::1"], "b": []}, F), ({"a": ["::1"]}, F), ({}, F)],
)
def test_dns(addresses: dict[str, list[str]], verdict: Verdict) -> None:
    assert told(judge_dns(item("dns", names=["a", "b"]), addresses)).verdict is verdict


@pytest.mark.parametrize(("at", "verdict"), [(NEW, P), (T0 - 30 * DAY, P), (T0 - 31 * DAY, F), (FUTURE, F), (None, F)])
def test_drill(at: datetime | None, verdict: Verdict) -> None:
    found = told(judge_drill(item("drill", fresh="30d"), at, T0))
    assert found.verdict is verdict
    if verdict is F:
        assert found.sentence == "no drill of this flag in the last 30 days: run `tidegate drill PLAN --as EMAIL`"


@pytest.mark.parametrize(
    ("more", "plan", "verdict"),
    [
        ({}, PLAN, P),
        ({"each_wave": True}, PLAN, F),  # the commander is no approver of wave 2
        ({"each_wave": True, "roles": ["lead"]}, PLAN, P),
        ({}, PLAN.model_copy(update={"roles": {"lead": ("a@b.c",), "commander": ()}}), F),
        ({}, PLAN.model_copy(update={"roles": {}}), F),
    ],
)
def test_roles(more: dict[str, Any], plan: Plan, verdict: Verdict) -> None:
    proof = item("roles", **({"roles": ["lead", "commander"]} | more))
    assert told(judge_roles(proof, plan)).verdict is verdict


# What is not looked at


def test_a_line_that_people_state_waits_for_the_gate() -> None:
    found = judge_without_look(item("human"))
    assert found is not None
    assert (found.verdict, found.sentence) == (N, "Stated by lead at the gate before wave 1.")


def test_a_line_that_does_not_apply_says_why() -> None:
    found = judge_without_look(item("drill", not_applicable="first release"))
    assert found is not None
    assert (found.verdict, found.sentence) == (N, "Does not apply here (lead): first release.")
    assert judge_without_look(item("drill")) is None


# Sections

MIXED = plan_of(
    {
        "checklist": {
            "Code": [
                {"text": "Tested", "role": "lead", "proof": "command", "command": "t"},
                {"text": "Read", "role": "lead"},
            ],
            "People": [{"text": "On call", "role": "commander"}],
        }
    }
)


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [((P, N), P), ((N, N), N), ((F, N), F), ((E, P), E), ((I, P), I)],
)
def test_a_section_is_as_good_as_its_worst_line(seen: tuple[Verdict, Verdict], verdict: Verdict) -> None:
    findings = [finding(one, f"checklist.1.{n}") for n, one in enumerate(seen, start=1)]
    findings.append(finding(N, "checklist.2.1"))
    assert section_verdicts(MIXED, findings) == {"Code": verdict, "People": N}


def test_a_line_that_nobody_looked_at_is_no_evidence() -> None:
    assert section_verdicts(MIXED, []) == {"Code": I, "People": I}
    assert section_verdicts(MIXED, [finding(P, "checklist.1.1")])["Code"] is I


def test_the_checklist_as_a_table() -> None:
    findings = [finding(F, "checklist.1.1"), finding(P, "flag")]
    assert checklist_rows(MIXED, findings) == [
        {
            "section": "Code",
            "line": "Tested",
            "role": "lead",
            "verdict": "FAIL",
            "evidence": "Sentence of checklist.1.1",
        }
    ]
    assert "| ✖ | Code | FAIL |" in section_table(MIXED, findings)
    assert section_table(plan_of({"checklist": {}}), findings) == ""


def test_lines_have_names_of_their_own() -> None:
    lines = list(checklist_lines(MIXED))
    assert [line.id for line in lines] == ["checklist.1.1", "checklist.1.2", "checklist.2.1"]
    assert lines[0].text == "Code: Tested"


# The models


def test_a_stored_line_without_a_proof_is_stated_by_people() -> None:
    for stored in ({"text": "a", "role": "b"}, {"text": "a", "role": "b", "pending": "drill"}):
        assert ITEMS.validate_python(stored).proof == "human"
    stored = PLAN.to_json()
    for items in stored["checklist"].values():  # type: ignore[attr-defined]
        for one in items:
            assert one.pop("proof") == "human"
    stored.pop("sign_off")
    assert Plan.model_validate(stored) == PLAN


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"proof": "vibes"}, "vibes"),
        ({"proof": "junit", "report": [], "fresh": "1d"}, "at least 1"),
        ({"proof": "junit", "report": "r.xml"}, "fresh"),
        ({"proof": "junit", "report": ["a", "a"], "fresh": "1d"}, "each path once"),
        ({"proof": "junit", "report": "../r.xml", "fresh": "1d"}, "below the folder"),
        ({"proof": "junit", "report": "/etc/passwd", "fresh": "1d"}, "below the folder"),
        ({"proof": "junit", "report": "r.xml", "fresh": "1d", "passed": "0%"}, "greater than 0"),
        ({"proof": "reviews"}, "exactly one of file, command, source"),
        ({"proof": "reviews", "file": "a", "command": "b"}, "found file and command"),
        ({"proof": "reviews", "file": "a", "state": "/s"}, "names its author"),
        ({"proof": "reviews", "command": "a", "fresh": "1d"}, "with file only"),
        ({"proof": "reviews", "file": "a", "at": "reviews"}, "pattern"),
        ({"proof": "command", "command": "rm -rf /"}, "pattern"),
        ({"proof": "command", "command": "a", "output": "("}, "regular expression"),
        ({"proof": "benchmark", "file": "a", "unit": "ms", "fresh": "1d"}, "exactly one of below or above"),
        ({"proof": "benchmark", "file": "a", "unit": "ms", "fresh": "1d", "below": "5s"}, "'ms'"),
        ({"proof": "benchmark", "command": "a", "unit": "ms", "fresh": "1d", "below": "5ms"}, "when it was measured"),
        ({"proof": "files", "paths": []}, "at least 1"),
        ({"proof": "http", "source": "a", "at": "/x"}, "at and equals together"),
        ({"proof": "http", "source": "a", "path": "@evil.example"}, "pattern"),
        ({"proof": "prometheus", "query": "up"}, "exactly one of below or above"),
        ({"proof": "pagerduty", "service": "a"}, "asks"),
        ({"proof": "backup", "fresh": "1d"}, "file, command, source, folder"),
        ({"proof": "backup", "folder": "b"}, "fresh"),
        ({"proof": "dns", "names": []}, "at least 1"),
        ({"proof": "dns", "names": ["-oops"]}, "pattern"),
        ({"proof": "human", "argv": ["rm"]}, "Extra inputs"),
        ({"proof": "roles", "roles": []}, "at least 1"),
    ],
)
def test_a_line_that_could_prove_nothing_is_refused(body: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        ITEMS.validate_python({"text": "The line", "role": "lead", **body})
    assert words in str(raised.value)
