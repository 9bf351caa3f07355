"""A flag file that is not there: a question to people, and without any traffic a failure. With a real Prometheus."""

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from blocks.connections import OpenConnections
from blocks.errors import Refused
from blocks.flags.backend import FlagBackend
from blocks.flags.flagd.flagd_file import FlagdFile
from blocks.journal.block import Journal
from blocks.prometheus.block import Prometheus
from engine.preflight.checks import preflight_checks, run_checks
from tests.blocks.flag_script import command_flag
from tests.conftest import PrometheusServer
from tests.tidegate import builders
from tests.tidegate.builders import ANN, STARTER, opened, plan_of
from tidegate.journal.kinds import Kind
from tidegate.journal.state import FLAG_QUESTION
from tidegate.notices.texts import gate_waiting
from tidegate.pages.gate_form import gate_form
from tidegate.plan.model import Plan
from tidegate.plan.pace import Pace, Timing
from tidegate.values.verdict import Finding, Verdict

NOW = datetime.now(UTC)
KEY = plan_of().flag.key


class Preflight:
    """A plan whose requests nobody else counts, and what its preflight says of the flag."""

    def __init__(self, server: PrometheusServer, folder: Path) -> None:
        self._server, self._counter = server, f"asked_{uuid4().hex[:8]}_total"
        self.flags: FlagBackend = FlagdFile(path=str(folder / "flags.json"))
        self._journal = Journal(url=f"sqlite:///{folder / 'journal.db'}")
        query = f"sum(increase({self._counter}{{ {{{{ selector }}}} }}[{{{{ window }}}}]))"
        self.plan: Plan = plan_of({"traffic": {"query": query}})

    def serve(self, path: str, requests: int) -> None:
        """Let so many requests be counted on a path."""
        labels = {"__name__": self._counter, "cohort": "staff", "path": path, "outcome": "ok"}
        end = NOW.timestamp()
        self._server.write([(labels, [(end - 45 + n * 15, 100.0 + requests * n / 3) for n in range(4)])])

    def findings(self, *names: str) -> dict[str, Finding]:
        """What preflight finds, of these checks."""
        flags, timing = self.flags, Timing(self.plan, Pace(NOW))
        via = OpenConnections(self._journal, flags, Prometheus(url=self._server.url))  # type: ignore[arg-type]
        checks = preflight_checks(via, self.plan, timing, started_by=STARTER, now=NOW)
        found = run_checks(tuple(check for check in checks if check.name in names))
        return {finding.criterion: finding for finding in found}

    def question(self) -> Finding:
        """What it finds of where the flag is."""
        return self.findings(FLAG_QUESTION)[FLAG_QUESTION]


@pytest.fixture
def preflight(prometheus_server: PrometheusServer, tmp_path: Path) -> Preflight:
    return Preflight(prometheus_server, tmp_path)


def test_a_file_that_is_not_there_and_no_traffic_on_either_path_is_a_failure(preflight: Preflight) -> None:
    found = preflight.findings(FLAG_QUESTION, "flag")
    assert found[FLAG_QUESTION].verdict is Verdict.FAIL
    assert "flags.json is not there: is this the file that the evaluators read?" in found[FLAG_QUESTION].sentence
    assert "No request is seen on either path" in found[FLAG_QUESTION].sentence
    assert "flags.json is not there" in found["flag"].sentence


@pytest.mark.parametrize(("path", "requests", "verdict"), [("old", 300, "NOT_APPLICABLE"), ("new", 0, "FAIL")])
def test_with_traffic_it_is_a_question_and_a_counter_that_stands_still_is_none(
    preflight: Preflight, path: str, requests: int, verdict: str
) -> None:
    preflight.serve(path, requests)
    found = preflight.question()
    assert found.verdict.value == verdict
    assert "is this the file that the evaluators read?" in found.sentence


@pytest.mark.parametrize("flags", [{}, {KEY: {"variants": {"on": True, "off": False}, "defaultVariant": "off"}}])
def test_a_file_that_is_there_asks_nothing(preflight: Preflight, tmp_path: Path, flags: dict[str, object]) -> None:
    (tmp_path / "flags.json").write_text(json.dumps({"flags": flags}))
    assert preflight.question().verdict is Verdict.PASS


def test_a_flag_that_is_not_boolean_is_no_flag_for_a_rollout(preflight: Preflight, tmp_path: Path) -> None:
    variants = {"OLD": "old", "DUAL_WRITE": "dual", "NEW": "new"}
    (tmp_path / "flags.json").write_text(json.dumps({"flags": {KEY: {"variants": variants, "defaultVariant": "OLD"}}}))
    found = preflight.question()
    assert found.verdict is Verdict.ERROR
    assert "not boolean (DUAL_WRITE, NEW, OLD)" in found.sentence
    with pytest.raises(Refused):
        preflight.flags.question(KEY)  # type: ignore[attr-defined]


def test_a_flag_system_with_commands_asks_nothing(preflight: Preflight, tmp_path: Path) -> None:
    preflight.flags = command_flag(tmp_path)
    assert preflight.question().verdict is Verdict.PASS


def test_the_question_stands_at_the_first_gate_and_at_no_other() -> None:
    asked = Finding(FLAG_QUESTION, "Text", Verdict.NOT_APPLICABLE, "Is it the file?").to_json()
    plan = plan_of()
    journal = builders.Journal(plan).extend((Kind.OPENED, {}), (Kind.PREFLIGHT, {"findings": [asked]}))
    for state, wave, shown in ((journal.state, 1, True), (journal.state, 2, False), (opened(plan).state, 1, False)):
        for page in (gate_form(plan, state, wave, [], ""), gate_waiting(plan, state, wave, 1, [ANN], "").body):
            assert ("Is it the file?" in page) == shown
