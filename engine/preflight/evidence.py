"""Fetching what a checklist names: files, what commands print, what web sources answer."""

from pathlib import Path

from blocks.commands import Commands
from blocks.connections import OpenConnections
from blocks.evidence import Evidence
from blocks.web import Web
from tidegate.checklist.deliverables import BackupProof, BenchmarkProof, ReviewsProof
from tidegate.checklist.judge_reports import Content, NoContent

# Without a part for it in the kit, the evidence lies where the plans folder lies.
PROJECT = Path(__file__).resolve().parents[2]


class Missing(Exception):
    """The kit lacks the part that this line needs; the sentence says what to add."""


def commands_of(via: OpenConnections) -> Commands:
    """The kit's commands; raises Missing."""
    if via.commands is None:
        raise Missing("No command can be run: add a part commands, with the argument lists by name, to the kit.")
    return via.commands


def kit_web(via: OpenConnections) -> Web:
    """The kit's web sources; raises Missing."""
    if via.web is None:
        raise Missing("No web source can be asked: add a part web, with the addresses by name, to the kit.")
    return via.web


def evidence_of(via: OpenConnections) -> Evidence:
    """The folder of evidence: the kit's, or the one where the plans folder lies."""
    return via.evidence or Evidence(folder=str(PROJECT))


def file_content(evidence: Evidence, path: str) -> Content | NoContent:
    """What stands in a file of the evidence."""
    data, seen = evidence.read(path), evidence.look(path)
    if data is None or seen is None:
        return NoContent(path, f"is not in {evidence.folder}")
    return Content(path, data, seen.changed)


def content_of(
    via: OpenConnections, item: ReviewsProof | BenchmarkProof | BackupProof, limit: float
) -> Content | NoContent:
    """What the file, command or source of this line says."""
    if item.file is not None:
        return file_content(evidence_of(via), item.file)
    if item.command is not None:
        done = commands_of(via).run(item.command, timeout=limit)
        if done.code != 0:
            said = " ".join(done.output.split())[-300:]
            return NoContent(item.command, f"ended with exit code {done.code}: {said or '-'}", broken=True)
        return Content(f"the output of {item.command}", done.printed)
    answer = kit_web(via).ask(item.source or "", timeout=limit)
    if answer.status != 200:
        return NoContent(item.source or "", f"answered HTTP {answer.status}", broken=True)
    return Content(item.source or "", answer.body)


def newest_backup(via: OpenConnections, item: BackupProof, limit: float) -> Content | NoContent:
    """The newest backup, as a file or as something tells of it."""
    if item.folder is None:
        return content_of(via, item, limit)
    evidence = evidence_of(via)
    newest = evidence.newest(item.folder)
    if newest is None:
        return NoContent(item.folder, f"holds no backup (below {evidence.folder})")
    return Content(newest.path, b"", newest.changed)
