"""The one place where permits to raise are made: every condition asked anew, for each attempt to write."""

import time
from collections.abc import Callable

from blocks.journal.freezes import why_frozen
from engine.measuring.measure import drift_of, entry_findings
from engine.rollout.session import LEASE, OpenRollout, utc_now
from tidegate.rollout.permit import LASTS, Permit, Situation, approval_ends, permit_lasts, why_not_raised
from tidegate.values.exposure import Exposure
from tidegate.values.verdict import Finding


class MayNotRaise(Exception):
    """Raising is not allowed now; says why."""


def permit_to_raise(run: OpenRollout, wave: int) -> Permit:
    """The permit to raise this wave now, with evidence measured for it.

    Raises MayNotRaise, or Fenced, ClaimHeld and what else the journal raises.
    """
    run.keep_claim()
    run.refresh()
    flag = _unlike(run)
    # Measuring takes longest, so that everything else is asked behind it.
    findings = entry_findings(run, wave, utc_now())

    def refusal() -> str:
        return why_not_raised(_situation(run, wave, findings, flag))

    renewed_at = time.monotonic()
    claim = run.keep_claim()
    if why_not := refusal():
        raise MayNotRaise(why_not)
    now, monotonic_now = utc_now(), time.monotonic()
    lease_left = LEASE.total_seconds() - (monotonic_now - renewed_at)
    lasts = permit_lasts(now, approval_ends(run.plan, run.state, wave), lease_left)
    return Permit(
        run.flag, run.plan.exposure_at(wave), claim.epoch, monotonic_now + lasts, _revoked(run, claim.epoch, refusal)
    )


def permit_to_drill(run: OpenRollout, only: Exposure) -> Permit:
    """The permit to expose a drill's synthetic users, who are nobody's customers; raises MayNotRaise while frozen."""
    epoch = run.keep_claim().epoch

    def refusal() -> str:
        return why_frozen(run.connections.journal)

    if why_not := refusal():
        raise MayNotRaise(why_not)
    return Permit(run.flag, only, epoch, time.monotonic() + LASTS.total_seconds(), _revoked(run, epoch, refusal))


def _revoked(run: OpenRollout, epoch: int, refusal: Callable[[], str]) -> Callable[[], str]:
    """What has taken a permit back since, as the database and the journal have it when it is called."""

    def revoked() -> str:
        if run.keep_claim().epoch != epoch:
            return f"the claim was taken anew: epoch {epoch} is over"
        run.refresh()
        return refusal()

    return revoked


def _situation(run: OpenRollout, wave: int, findings: tuple[Finding, ...], flag: str) -> Situation:
    """What every condition is judged by; who adds a condition says here how it is known."""
    now, chain = utc_now(), run.check_chain()
    return Situation(
        plan=run.plan,
        state=run.state,
        wave=wave,
        now=now,
        plan_now=run.timing.pace.plan_time(now),
        findings=findings,
        flag=flag,
        chain=chain,
        frozen=why_frozen(run.connections.journal),
        old_writers=run.not_fenced,
    )


def _unlike(run: OpenRollout) -> str:
    drift, unreadable = drift_of(run)
    return f"the flag was changed by somebody else: {drift.was} -> {drift.now}" if drift else unreadable
