"""Entries that the journal would not take: kept in a file beside the kit, and merged once when it answers again."""

import fcntl
import json
import logging
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from blocks.errors import ConnectionFault
from blocks.flags.flagd.flagd_reserve import FULL, Reserve
from engine.notices.queueing import notify
from engine.rollout.session import OpenRollout, Superseded, utc_now
from tidegate.journal.bodies.body import Body
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.bodies.exposure_bodies import RollbackProven, RolledBackToZero
from tidegate.journal.kinds import Kind
from tidegate.journal.state import RolloutState
from tidegate.notices.texts import proof_missing, rolled_back, rolling_back

_FIELDS = frozenset({"fallback", "rollout", "flag", "kind", "at", "body"})
_log = logging.getLogger("tidegate.journal_fallback")


def fallback_path() -> Path:
    """The file: beside the kit file, else in the local stack's home."""
    kit = os.environ.get("TIDEGATE_KIT")
    folder = Path(kit).parent if kit else Path(os.environ.get("TIDEGATE_HOME") or ".tidegate")
    return folder.absolute() / "journal-fallback.jsonl"


def write_fallback(rollout: str, flag: str, body: Body) -> None:
    """Keep the entry until the journal answers; whatever goes wrong here is logged and stops nothing.

    The rollout may be unknown (empty): the entry then belongs to the open rollout of its flag.
    """
    name = uuid4().hex
    line = {"fallback": name, "rollout": rollout, "flag": flag, "kind": body.kind.value, "at": utc_now().isoformat()}
    # Plain ASCII: no cut can fall inside a character, and nothing in it but the end is taken for a line's end.
    text = json.dumps({**line, "body": body.to_json()}) + "\n"
    path = fallback_path()
    try:
        try:
            _add(path, text.encode())
        except OSError as full:
            # Journal and file may lie on one disk; who ordered a rollback must not be lost with it.
            if full.errno not in FULL or not _reserve().give_up():
                raise
            _add(path, text.encode())
    except OSError as error:
        _log.error("%s: the entry could not be kept either (%s): %s", path, error.strerror, text.strip())


def what_is_kept(flag: str, ordered_at: datetime) -> str:
    """A sentence for whoever gave this order: that it waits in the file, or that it could not be kept."""
    path = fallback_path()
    try:
        orders = [line["body"].get("ordered_at") for line in _lines(path) if line["flag"] == flag]
    except (OSError, AttributeError):
        orders = []
    if ordered_at.isoformat() in orders:
        return f"What was done is kept in {path} and merged when it can"
    return f"What was done could NOT be kept in {path}: write down who ordered it, when and why"


def keep_room() -> str:
    """See that an entry can be kept on a full disk, too; the sentence that says where it would lie."""
    path = fallback_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _reserve().keep(0)
    except OSError as error:
        return f"What the journal does not take could NOT be kept in {path} on a full disk ({error.strerror})"
    return f"What the journal does not take is kept in {path}, with room reserved for a full disk"


def _reserve() -> Reserve:
    return Reserve(fallback_path().with_suffix(".reserved"))


def _add(path: Path, text: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        # Against `_forget`, which writes the file anew; it is never removed, so that nobody writes to a lost one.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _write_whole(descriptor, text)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_whole(descriptor: int, line: bytes) -> None:
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        line = b"\n" + line  # what a full disk cut off before must not swallow this one
    while line:
        line = line[os.write(descriptor, line) :]


def merge_fallback(run: OpenRollout) -> int:
    """Write this rollout's kept entries to the journal, each once, and forget them; returns how many were written.

    Called whenever the journal answers; while it does not, everything stays in the file.
    """
    path = fallback_path()
    if not path.exists() or path.stat().st_size == 0:
        return 0
    merged = 0
    for line in _lines(path):
        if line["flag"] != run.flag or line["rollout"] not in ("", run.rollout):
            continue
        if not line["rollout"] and not _was_open(run, line["at"]):
            continue
        if _append(run, line):
            merged += 1
        _forget(path, line["fallback"])
    if merged:
        keep_room()
    return merged


def _was_open(run: OpenRollout, at: str) -> bool:
    opened = run.state.opened_at
    return run.state.phase.is_open and opened is not None and opened.isoformat() <= at


def _append(run: OpenRollout, line: Mapping[str, Any]) -> bool:
    kind, name = Kind(line["kind"]), line["fallback"]
    body = body_from_json(kind, line["body"])

    def known(state: RolloutState) -> bool:
        if name in state.from_fallback:
            return True
        back = state.rollback
        if kind is Kind.PROVEN:
            return back is None or bool(back.proven)
        return kind is Kind.ROLLING_BACK and back is not None and back.zero_at is not None

    if run.append(body, unless=known, waited={"fallback": name, "kept_at": line["at"]}) is None:
        return False
    if isinstance(body, RolledBackToZero):
        notify(run, rolling_back(run.plan, run.state, body.problem))
    elif isinstance(body, RollbackProven):
        notify(run, rolled_back(run.plan, run.state) if body.proven else proof_missing(run.plan, run.state))
    return True


def _texts(content: bytes) -> list[bytes]:
    return [text for text in content.split(b"\n") if text]


def _lines(path: Path) -> list[dict[str, Any]]:
    found = []
    for text in _texts(path.read_bytes()):
        try:
            line = json.loads(text)
            Kind(line["kind"])
            if set(line) >= _FIELDS:
                found.append(line)
        except (ValueError, KeyError, TypeError):
            # A line that was cut off in mid-write stays in the file for people to read.
            _log.error("%s: a line cannot be read and is left where it is", path)
    return found


def _forget(path: Path, name: str) -> None:
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        kept = [text for text in _texts(file.read()) if f'"fallback": "{name}"'.encode() not in text]
        file.seek(0)
        file.write(b"".join(text + b"\n" for text in kept))
        file.truncate()


def merge_quietly(run: OpenRollout) -> None:
    """`merge_fallback`, for where nothing may stop what follows."""
    try:
        merge_fallback(run)
    except (ConnectionFault, Superseded, OSError, ValueError, LookupError, TypeError) as fault:
        _log.warning("the kept entries of %s are not merged yet: %s", run.rollout, fault)
