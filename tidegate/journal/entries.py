"""The journal's entries: what can be written, and the chain of hashes that shows an edit."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tidegate.journal.bodies.body import Body, BodyError
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.bodies.lifecycle_bodies import NotUnderstood
from tidegate.journal.kinds import Kind

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal; `sequence` counts from 1 within its rollout, and `json` is what it says, as stored."""

    rollout: str
    sequence: int
    at: datetime
    kind: Kind
    version: int
    json: Mapping[str, Any]
    previous: str
    hash: str
    stored: str = field(default="", compare=False)  # the hash of what is stored, where the entry was read from there
    _body: Body | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def body(self) -> Body:
        """What it says, read once; NotUnderstood, which says why, where this release cannot read it. Never raises."""
        if (body := self._body) is None:
            try:
                if self.version != 1:
                    raise _unknown_version(self)
                body = body_from_json(self.kind, self.json)
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                body = body_not_understood(self, error)
            object.__setattr__(self, "_body", body)
        return body


def entry_name(entry: Entry) -> str:
    """The entry, as messages name it."""
    return f"{entry.rollout}: entry {entry.sequence} ({entry.kind.value})"


def _unknown_version(entry: Entry) -> BodyError:
    return BodyError(f"{entry.kind.value} entry of version {entry.version} is not known to this release")


def body_not_understood(entry: Entry, error: Exception) -> NotUnderstood:
    """What an entry says to a release that cannot read it, for that reason."""
    return NotUnderstood(f"{entry_name(entry)} is not understood by this release ({type(error).__name__}: {error})")


def canonical(body: Mapping[str, Any]) -> str:
    """The JSON text that is stored and hashed; NaN and infinity are refused with ValueError."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def stamp(at: datetime) -> str:
    """The instant as stored and hashed: UTC, microseconds; raises ValueError for a naive datetime."""
    if at.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def entry_hash(
    rollout: str, sequence: int | str, at: str, kind: str, version: int | str, body: str, previous: str
) -> str:
    """SHA-256 over every field of an entry, the previous entry's hash included."""
    text = "\n".join((previous, rollout, str(sequence), at, kind, str(version), body))
    return hashlib.sha256(text.encode()).hexdigest()


def make_entry(
    rollout: str, sequence: int, at: datetime, kind: Kind, said: Mapping[str, Any], previous: str, version: int = 1
) -> Entry:
    """The entry that follows the one whose hash is `previous`."""
    digest = entry_hash(rollout, sequence, stamp(at), kind.value, version, canonical(said), previous)
    return Entry(rollout, sequence, at, kind, version, said, previous, digest)


@dataclass(frozen=True, slots=True)
class Link:
    """What a chain is checked by: the stored text of an entry, whatever it means, so that no renamed word breaks it."""

    rollout: str
    sequence: int
    kind: str
    previous: str
    hash: str
    computed: str  # the hash of what is stored


def link_of(entry: Entry) -> Link:
    """An entry as a link of its chain."""
    computed = entry.stored or entry_hash(
        entry.rollout,
        entry.sequence,
        stamp(entry.at),
        entry.kind.value,
        entry.version,
        canonical(entry.json),
        entry.previous,
    )
    return Link(entry.rollout, entry.sequence, entry.kind.value, entry.previous, entry.hash, computed)


def broken_link(link: Link, sequence: int, head: str) -> str:
    """How this link does not continue a chain that ends at entry `sequence` with the hash `head`, or empty."""
    if link.sequence != sequence + 1:
        return f"{link.rollout}: entry {sequence + 1} is missing before entry {link.sequence}"
    if link.computed != link.hash:
        return f"{link.rollout}: entry {link.sequence} ({link.kind}) was changed after it was written"
    if link.previous != head:
        return f"{link.rollout}: entry {link.sequence} does not follow the entry before it"
    return ""


def broken_behind(entry: Entry, sequence: int, head: str) -> str:
    """As `broken_link`, for an entry that was read from a journal."""
    if entry.sequence == sequence + 1 and entry.previous == head and entry.hash == entry.stored:
        return ""
    return broken_link(link_of(entry), sequence, head)


def broken_links(links: Iterable[Link]) -> Iterator[str]:
    """A sentence for every place where a rollout's chain does not hold."""
    previous, sequence = GENESIS, 0
    for link in links:
        if broken := broken_link(link, sequence, previous):
            yield broken
        previous, sequence = link.hash, link.sequence
