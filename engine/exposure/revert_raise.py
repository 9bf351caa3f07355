"""A raise that no living permit covers is lowered again at once: recorded, and people are paged."""

import logging

from blocks.errors import ConnectionFault
from engine.exposure.lease import write_exposure
from engine.exposure.seize_claim import seize_flag
from engine.notices.queueing import notify
from engine.rollout.session import OpenRollout, utc_now
from tidegate.journal.bodies.exposure_bodies import RaiseReverted
from tidegate.notices.raise_texts import raise_reverted

_log = logging.getLogger("tidegate.exposure")


def revert_raise(run: OpenRollout, reason: str) -> bool:
    """Lower the flag to what the journal has, where it serves what was last written to raise; whether it did.

    Raises what the flag's backend and the journal raise; Fenced where somebody else has taken over, who does it then.
    """
    state, flags = run.state, run.connections.flags
    written = state.unfinished
    # Zero is on its way by itself; a rollout that was closed meanwhile must not be left with what it never had.
    if written is None or state.rollback is not None or flags.read(run.flag).exposure != written:
        return False
    if written.within(state.exposure):
        return False
    # Not renewed first: it is lowered also while the journal does not answer, and the backend fences who has lost.
    claim = run.claim or run.keep_claim()
    allowed = state.exposure
    revision, lease = write_exposure(run, allowed, claim.epoch, utc_now())
    wave = state.wave + 1
    _log.error("%s was at %s without a permit and is at %s again: %s", run.flag, written, allowed, reason)
    body = RaiseReverted(wave, written, allowed, claim.epoch, revision, reason, lease)
    if run.append(body, unless=lambda s: s.rollback is not None, fenced=True):
        notify(run, raise_reverted(run.plan, run.state, wave, written, reason))
    return True


def revert_unfinished(run: OpenRollout) -> None:
    """At a guard check: a raise whose end was never recorded has outlived its permit."""
    if run.state.unfinished is None:
        return
    try:
        revert_raise(run, "its permit ended before it was recorded as raised")
    except ConnectionFault as fault:
        _log.warning("whether %s was raised without a permit is not known: %s", run.flag, fault)


def stop_raise(run: OpenRollout, reason: str) -> None:
    """Where a raise is under way: shut its writer out and lower what it wrote, so that what people know holds.

    What cannot be done now is done at the next guard check; nobody is kept waiting for it.
    """
    if run.state.unfinished is None or run.state.goes_no_further:
        return
    before = run.claim
    try:
        seize_flag(run)
        run.refresh()
        revert_raise(run, reason)
        if before is None:
            run.release_claim()
    except ConnectionFault as fault:
        _log.warning("the raise of %s that is under way is not stopped yet: %s", run.flag, fault)
