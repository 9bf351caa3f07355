"""Taking the right to write from whoever holds it, whether or not that process is about to write."""

from blocks.errors import Fenced
from engine.rollout.session import INSTANCE_ID, LEASE, OpenRollout

_ATTEMPTS = 8


def seize_flag(run: OpenRollout) -> int:
    """The epoch under which this process alone may write from now on; raises what journal and flag raise."""
    for _ in range(_ATTEMPTS):
        run.claim = run.connections.journal.seize(run.flag, run.rollout, INSTANCE_ID, LEASE)
        try:
            run.connections.flags.fence(run.flag, run.claim.epoch, run.state.exposure)
        except Fenced:
            continue  # a zero that was written while the journal did not answer took epochs of its own
        return run.claim.epoch
    raise Fenced(f"the backend of {run.flag} knows a much newer epoch than the journal")
