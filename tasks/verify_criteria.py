"""Verify: wait until the wave may be raised, and measure what must hold as it is entered."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from engine.gates.gate import revoke_approval
from engine.measuring.measure import entry_findings
from engine.rollout.monitoring import guard_until
from engine.rollout.session import utc_now
from tasks.wave_step import WaveStep, as_state
from tidegate.journal.state import Phase
from tidegate.pages.tables import evidence_text
from tidegate.pages.wave_outcome import wave_outcome


@task(
    name="verify entry criteria",
    task_run_name="{at.name}: verify entry criteria",
    description="Guard until the calendar allows the raise, then measure every entry criterion of the wave.",
    retries=0,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def verify_entry_criteria(at: WaveStep) -> State:
    """Failed, and the approval revoked, where a criterion does not hold; the permit to raise asks all of it again."""
    run = at.run
    allowed = run.timing.may_raise_from(at.wave, run.state.first_raise_at, utc_now())
    if not guard_until(run, at.reporter, allowed, Phase.RAISING):
        return as_state(wave_outcome(run.plan, run.state, at.wave))
    findings = entry_findings(run, at.wave, utc_now())
    seen = evidence_text(findings) if findings else "Nothing is measured to enter this wave."
    if bad := [f for f in findings if not f.verdict.allows]:
        revoke_approval(run, at.wave, f"not raised: {bad[0].text}: {bad[0].verdict.value}. {bad[0].sentence}")
        return Failed(name="NotVerified", message=f"{len(bad)} of {len(findings)} criteria do not hold.\n{seen}")
    return Completed(message=f"{len(findings)} criteria hold.\n{seen}")
