"""The registry: the type of what each kind of entry says."""

from collections.abc import Mapping
from typing import Any

from tidegate.journal.bodies import (
    evidence_bodies,
    exposure_bodies,
    gate_bodies,
    hold_bodies,
    lifecycle_bodies,
    people_bodies,
)
from tidegate.journal.bodies.body import Body, reader_of
from tidegate.journal.kinds import Kind

_SUBJECTS = (evidence_bodies, exposure_bodies, gate_bodies, hold_bodies, lifecycle_bodies, people_bodies)
BODIES: Mapping[Kind, type[Body]] = {
    found.kind: found
    for subject in _SUBJECTS
    for found in vars(subject).values()
    if isinstance(found, type) and issubclass(found, Body) and found is not Body
}


def body_from_json(kind: Kind, stored: Mapping[str, Any]) -> Body:
    """What an entry of this kind says; raises BodyError."""
    return reader_of(BODIES[kind])(stored)
