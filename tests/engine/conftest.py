"""What the tests of effects share: an inbox that people read, and approvers with seeds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.gates.totp_seeds import add_approver
from tests.engine.gate_world import WITH_SEED
from tests.engine.inbox import Inbox, open_inbox


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """Slack, PagerDuty and mail, with faults on demand."""
    with open_inbox() as opened:
        yield opened


@pytest.fixture
def seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the seeds of everybody who has one."""
    path = tmp_path / "approvers.json"
    monkeypatch.setenv("TIDEGATE_APPROVERS", str(path))
    for person in WITH_SEED:
        add_approver(path, person)
    return path
