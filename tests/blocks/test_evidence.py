"""The folder of evidence: what is there, what is newest, and that nothing leads out of it."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from blocks import Evidence
from blocks.errors import Refused


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    folder = tmp_path / "evidence"
    (folder / "backups").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (folder / "report.json").write_text("{}")
    return Evidence(folder=str(folder))


def test_a_file_is_seen_and_read(evidence: Evidence) -> None:
    os.utime(Path(evidence.folder) / "report.json", (1_000_000, 1_000_000))
    seen = evidence.look("report.json")
    assert seen is not None
    assert (seen.path, seen.size, seen.changed) == ("report.json", 2, datetime.fromtimestamp(1_000_000, UTC))
    assert evidence.read("report.json") == b"{}"


def test_what_is_not_there(evidence: Evidence) -> None:
    assert evidence.look("gone.json") is None
    assert evidence.read("gone/too.json") is None
    assert evidence.newest("gone") is None


@pytest.mark.parametrize("path", ["../secret", "backups/../../secret", "/etc/passwd"])
def test_a_path_does_not_lead_out(evidence: Evidence, path: str) -> None:
    for verb in (evidence.look, evidence.read, evidence.newest):
        with pytest.raises(Refused, match="leads out"):
            verb(path)


def test_a_link_does_not_lead_out(evidence: Evidence, tmp_path: Path) -> None:
    (Path(evidence.folder) / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(Refused, match="leads out"):
        evidence.read("link")


def test_what_is_no_file_is_refused(evidence: Evidence) -> None:
    os.mkfifo(Path(evidence.folder) / "pipe")
    for path in ("backups", "pipe"):
        with pytest.raises(Refused, match="is no file"):
            evidence.read(path)


def test_a_file_that_is_too_large_is_not_read(evidence: Evidence) -> None:
    with (Path(evidence.folder) / "big").open("wb") as file:
        file.truncate(20_000_001)
    with pytest.raises(Refused, match="20,000,001 bytes"):
        evidence.read("big")


def test_the_newest_file_with_content(evidence: Evidence, tmp_path: Path) -> None:
    backups = Path(evidence.folder) / "backups"
    assert evidence.newest("backups") is None
    for name, text, at in (("a", "x", 100), ("b", "x", 300), ("c", "x", 200), ("empty", "", 400)):
        (backups / name).write_text(text)
        os.utime(backups / name, (at, at))
    (backups / "link").symlink_to(tmp_path / "secret")
    (backups / "folder").mkdir()
    seen = evidence.newest("backups")
    assert seen is not None
    assert seen.path == "backups/b"


def test_check(evidence: Evidence, tmp_path: Path) -> None:
    assert evidence.check() == f"evidence lies in {evidence.folder}"
    with pytest.raises(Refused, match="no such folder"):
        Evidence(folder=str(tmp_path / "gone")).check()
