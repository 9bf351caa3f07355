"""What a one-time code proves: judged by one process at a time, against every code that was given of late."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic

from blocks.connections import OpenConnections
from blocks.errors import ClaimHeld, Refused, Unreachable
from blocks.journal.block import Claim
from engine.gates.code_judge import code_judge
from engine.rollout.session import INSTANCE_ID, utc_now
from tidegate.gates.codes import REMEMBERED, CodeProof, locked, unused
from tidegate.journal.bodies.gate_bodies import GateAnswered
from tidegate.journal.bodies.lifecycle_bodies import NotUnderstood
from tidegate.journal.bodies.people_bodies import OrderGiven
from tidegate.journal.kinds import Kind

CODES = "~codes"  # whoever judges a code holds this claim; no flag's key can begin so
CLOCKS = timedelta(seconds=30)  # how far the clocks of Prefect's server and of the worker may differ
_LEASE = timedelta(seconds=10)
_PATIENCE = timedelta(seconds=30)
_here = threading.Lock()


def proof_of(connections: OpenConnections, person: str, code: str, given_at: datetime, use: str) -> CodeProof:
    """What this person's code proves for this use; whoever asks is `alone`, and writes the proof down before that ends.

    The judge remembers what its own seeds have judged; the journal, what any worker has, one with a copy of the seeds
    included.
    """
    if given_at > utc_now() + CLOCKS:
        return CodeProof(given_at, problem="the answer was given before the gate was open, or in the future")
    earlier = _earlier(connections, person, given_at)
    if why := locked(person, earlier, given_at):
        return CodeProof(given_at, problem=why)
    return unused(person, code_judge().judge(person, code, given_at, use), earlier)


def _earlier(connections: OpenConnections, person: str, given_at: datetime) -> list[CodeProof]:
    """What this person's codes proved of late, for any gate or order of any rollout, ended ones included."""
    since, found = given_at - REMEMBERED - CLOCKS, []
    for kind in (Kind.ANSWERED, Kind.ORDERED):
        for entry in connections.journal.recent(kind, since):
            match entry.body:
                case GateAnswered(answer=answer, proof=proof) if answer["approver"] == person and proof:
                    found.append(CodeProof.from_json(proof))
                case OrderGiven(by=by, proof=proof) if by == person and proof:
                    found.append(CodeProof.from_json(proof))
                case NotUnderstood(why=why):
                    # It may be the very use of a code that is not to be used again.
                    raise Refused(why)
    return found


@contextmanager
def alone(connections: OpenConnections) -> Iterator[Claim]:
    """Only one process judges codes at a time, so that a code is spent once; raises Unreachable."""
    until = monotonic() + _PATIENCE.total_seconds()
    with _here:
        while True:
            try:
                claim = connections.journal.claim(CODES, CODES, INSTANCE_ID, _LEASE)
                break
            except ClaimHeld as held:
                if monotonic() > until:
                    raise Unreachable(f"codes are being judged elsewhere all the time: {held}") from held
                threading.Event().wait(0.2)
        try:
            yield claim
        finally:
            connections.journal.release(claim)
