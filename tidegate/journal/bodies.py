"""The registry: the type of what each kind of entry says."""

from collections.abc import Mapping
from typing import Any

from tidegate.journal import (
    evidence_bodies,
    exposure_bodies,
    gate_bodies,
    hold_bodies,
    lifecycle_bodies,
    people_bodies,
)
from tidegate.journal.body import Body
from tidegate.journal.entries import Entry, Kind

_SUBJECTS = (evidence_bodies, exposure_bodies, gate_bodies, hold_bodies, lifecycle_bodies, people_bodies)
BODIES: Mapping[Kind, type[Body]] = {
    found.kind: found
    for subject in _SUBJECTS
    for found in vars(subject).values()
    if isinstance(found, type) and issubclass(found, Body) and found is not Body
}


def body_from_json(kind: Kind, stored: Mapping[str, Any]) -> Body:
    """What an entry of this kind says; raises BodyError."""
    return BODIES[kind].from_json(stored)


def body_of(entry: Entry) -> Body:
    """What this entry says; raises BodyError, which names rollout, sequence, kind and field."""
    return BODIES[entry.kind].of(entry)
