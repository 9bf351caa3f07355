"""The text of notices about waiting: reminders, holds that last, drift, new builds, and the end of a problem."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from tidegate.gates.timeouts import GateDue
from tidegate.journal.bodies.hold_bodies import HoldCause
from tidegate.journal.state import Amendment, GateRecord, RolloutState
from tidegate.journal.success_tally import SuccessTally
from tidegate.notices.incidents import RAISED
from tidegate.notices.notice import Loudness, Notice
from tidegate.notices.texts import exposure_stays, wave_words
from tidegate.plan.fields.success import Throughout, success_words
from tidegate.plan.model import Approvals, Plan
from tidegate.rollout.step_back import visit
from tidegate.values.units import format_duration
from tidegate.values.verdict import Finding, Verdict

_CHANGES_SHOWN = 20


def _at(instant: datetime) -> str:
    return instant.strftime("%Y%m%dT%H%M%S")


def _resume(state: RolloutState) -> str:
    return f"tidegate resume {state.rollout} --as EMAIL --reason TEXT"


def evidence_holds(plan: Plan, state: RolloutState, finding: Finding) -> Notice:
    """A comparison of the paths holds the wave: for good, or in an episode that ends when its evidence does."""
    what_now = (
        "The hold ends by itself if the evidence does: look at what fails on the new path."
        if finding.episode
        else "What was shown stays shown: find the cause, then end this rollout and begin anew."
    )
    body = (
        f"{finding.text}: {finding.sentence}\n{exposure_stays(state)}; guarding goes on. {what_now}\n"
        f"tidegate rollback {state.rollout}"
    )
    title = f"{plan.flag.key}: {wave_words(plan, state.wave)} on hold by a statistical test: {finding.text}"
    episode = f"-{finding.episode}" if finding.episode else ""
    event = f"evidence-{state.wave}-{finding.criterion}{episode}{visit(plan, state, state.wave)}"
    return Notice(event, state.rollout, Loudness.WARNING, title, body)


def gate_reminder(plan: Plan, state: RolloutState, gate: GateRecord, due: GateDue, people: Sequence[str]) -> Notice:
    """A gate still waits; `people` are its approvers, and the contacts reached so far are asked, too."""
    since = gate.since or gate.opened_at
    asked = plan.waves[gate.wave - 1].gate
    contacts = [contact.email for contact in due.escalated]
    then = asked.on_timeout
    what = "it is held and paged" if then.then == "hold" else "it is rolled back"
    also = f"Also asked: {', '.join(f'{c.title} ({c.email})' for c in due.escalated)}.\n" if due.escalated else ""
    nobody = state.holds.get(HoldCause.NO_WORKER, "")
    missing = f"Nobody carries it: {nobody}. Until then an answer is recorded and nothing follows.\n" if nobody else ""
    waits = "Asked" if nobody else "Waiting"
    body = (
        f"{missing}{waits} since {since:%Y-%m-%d %H:%M} UTC. Approvers: {', '.join(people)}.\n{also}"
        f"After {format_duration(then.after)} without an answer {what}.\n"
        f"tidegate approve {state.rollout} --as EMAIL --decision go\nJournal head: {state.head[:12]}"
    )
    title = f"Reminder {due.reminders}: decision needed before {wave_words(plan, gate.wave)}"
    return Notice(
        f"remind-{gate.wave}-{_at(since)}-{due.reminders}",
        state.rollout,
        Loudness.WARNING if due.escalated else Loudness.INFO,
        title,
        body,
        to=tuple(dict.fromkeys((*people, *contacts))) if contacts else (),
        concerns=tuple(people),
    )


def held_long(plan: Plan, state: RolloutState, cause: HoldCause, since: datetime) -> Notice:
    """A hold has lasted beyond what the plan allows; everybody the plan names is reached, once."""
    title = f"{plan.flag.key} has been held for over {format_duration(plan.hold_max)} ({cause.value.replace('_', ' ')})"
    ends = f"`{_resume(state)}` ends it, `tidegate rollback {state.rollout}` rolls back."
    if cause is HoldCause.LEGACY:
        ends = f"It ends by itself once legacy is ready; `tidegate rollback {state.rollout} --anyway` rolls back now."
    body = f"{state.holds[cause]}\n{exposure_stays(state)}; held since {since:%Y-%m-%d %H:%M} UTC. {ends}"
    event = f"hold-max-{cause.value}-{_at(since)}"
    return Notice(event, state.rollout, Loudness.PAGE, title, body, problem=cause.value)


def drift_gone(plan: Plan, state: RolloutState, since: datetime) -> Notice:
    """The flag is as the journal has it again; the hold is people's to end."""
    title = f"{plan.flag.key} is back at what the journal has"
    body = f"It stands at {state.exposure} again. It stays held until `{_resume(state)}`."
    return Notice(f"drift-gone-{_at(since)}", state.rollout, Loudness.WARNING, title, body)


def drift_moved(plan: Plan, state: RolloutState, since: datetime, was: str, now: str) -> Notice:
    """The flag was changed once more while it is held for drift."""
    title = f"{plan.flag.key} was changed once more by somebody else"
    body = f"By the journal {was}, now {now}. It is held already; nothing is written by itself."
    event = f"drift-{_at(since)}-{hashlib.sha256(now.encode()).hexdigest()[:8]}"
    return Notice(event, state.rollout, Loudness.PAGE, title, body, problem=HoldCause.DRIFT.value)


def raised_after_rollback(plan: Plan, state: RolloutState, now: str, revision: str) -> Notice:
    """Somebody raised a flag that was rolled back; people decide, nothing is written."""
    title = f"{plan.flag.key} was raised by somebody after its rollback"
    body = f"{state.rollout} was rolled back and left it at zero; now it is {now}. Nothing is written by itself."
    event = f"raised-after-rollback-{hashlib.sha256(f'{revision}/{now}'.encode()).hexdigest()[:8]}"
    return Notice(event, state.rollout, Loudness.PAGE, title, body, problem=RAISED)


def lowered_again(plan: Plan, state: RolloutState, page: Notice) -> Notice:
    """A flag that was raised after its rollback is at zero again."""
    title, body = f"{plan.flag.key} is at zero again", "What was raised after the rollback is gone."
    return Notice(f"{page.event}-gone", state.rollout, Loudness.PAGE, title, body, problem=page.problem, resolves=True)


def zeroed_again(
    plan: Plan, state: RolloutState, ordered_at: datetime, by: str, sentence: str, *, proven: bool, paged: bool
) -> Notice:
    """An order to roll back after a rollback; where people were paged about a raise, that ends with the proof."""
    done = "is at zero, as ordered once more" if proven else "was ordered back to zero again, which is NOT proven"
    event = f"zeroed-again-{ordered_at:%Y%m%dT%H%M%S}"
    title, body = f"{plan.flag.key} {done}", f"By {by}. {sentence}"
    if proven and not paged:
        return Notice(event, state.rollout, Loudness.INFO, title, body)
    return Notice(event, state.rollout, Loudness.PAGE, title, body, "raised", resolves=proven)


def problem_taken(state: RolloutState, page: Notice) -> Notice:
    """Somebody has taken what people were paged about in hand."""
    body = f"The rollout is held. {state.holds.get(HoldCause.OPERATOR, '')}"
    title = f"Taken in hand: {page.title}"
    return Notice(f"taken-{page.event}", state.rollout, Loudness.INFO, title, body, page.problem, acknowledges=True)


def problem_over(state: RolloutState, page: Notice) -> Notice:
    """What people were paged about is over."""
    body = f"By the journal it stands no more; {state.rollout} is {state.phase.value.replace('_', ' ')}."
    return Notice(
        f"over-{page.event}", state.rollout, Loudness.PAGE, f"Over: {page.title}", body, page.problem, resolves=True
    )


def amendment_proposed(plan: Plan, state: RolloutState, amendment: Amendment, people: Sequence[str]) -> Notice:
    """A change of the plan waits for the approvers of the next gate."""
    # All of what is less safe, however long the rest is.
    shown = max(_CHANGES_SHOWN, len(amendment.less_safe))
    lines = [f"- {line}" for line in amendment.changes[:shown]]
    if more := len(amendment.changes) - len(lines):
        lines.append(f"- and {more} more: tidegate journal {state.rollout}")
    code = "" if plan.approvals is Approvals.OPEN else " --code CODE"
    body = "\n".join(
        [
            f"By {amendment.by}: {amendment.reason}",
            *([less_safe_words(len(amendment.less_safe))] if amendment.less_safe else []),
            *lines,
            f"Approvers: {', '.join(people)}.",
            f"tidegate plan approve {state.rollout} {amendment.short} --as EMAIL{code}",
            f"Until then the plan stays {state.plan_hash[:12]}. Journal head: {state.head[:12]}",
        ]
    )
    title = f"Decision needed on a change of the plan of {plan.flag.key}"
    event = f"amendment-{amendment.short}-{_at(amendment.proposed_at)}"
    loudness = Loudness.WARNING if amendment.less_safe else Loudness.INFO
    return Notice(event, state.rollout, loudness, title, body, concerns=tuple(people))


def less_safe_words(parts: int) -> str:
    """What stands above the lines of a change that lets more through."""
    return f"It makes the rollout LESS SAFE in {parts} part{'s' if parts > 1 else ''}:"


def amendment_decided(plan: Plan, state: RolloutState, amendment: Amendment, said: str, *, in_force: bool) -> Notice:
    """A change of the plan is in force, or given up."""
    title = f"The plan of {plan.flag.key} {'was changed' if in_force else 'stays as it is'}"
    anew = "\nWhat was approved under the old plan and not raised yet is asked anew." if in_force else ""
    body = f"{said}. It is now {state.plan_hash[:12]}.{anew}"
    event = f"amended-{amendment.short}-{_at(amendment.proposed_at)}"
    return Notice(event, state.rollout, Loudness.WARNING if in_force else Loudness.INFO, title, body)


def new_build(plan: Plan, state: RolloutState, before: Sequence[str], versions: Sequence[str], then: str) -> Notice:
    """The new path runs something else than before."""
    title = f"{plan.service} runs a new build on the new path: {', '.join(versions)}"
    body = f"Before: {', '.join(before)}. {plan.flag.key} is at {state.exposure}; {then}."
    # The same version may come back: the place in the journal tells the two apart.
    event = f"build-{state.sequence}"
    return Notice(event, state.rollout, Loudness.WARNING, title, body)


def broken_throughout(plan: Plan, state: RolloutState, number: int, kept: SuccessTally) -> Notice:
    """A success criterion that must hold at every review does not any more."""
    item = plan.success[number - 1]
    metric = plan.metrics[item.metric] if isinstance(item, Throughout) else None
    value = f"{metric.title} was {metric.unit.format(kept.broken_value)}" if metric else f"{kept.broken_value:g}"
    where = f"wave {state.wave}" if state.wave <= len(plan.waves) else "the post-rollout days"
    body = (
        f"{value} in {where} of {state.rollout}; promised was {success_words(item)}. The rollout goes on, "
        "but by this plan it can no longer be called production-grade: decide whether it is to go on."
    )
    title = f"Broken for the first time: {item.text}"
    return Notice(f"broken-{number}", state.rollout, Loudness.WARNING, title, body)


def _never(findings: Sequence[Finding], rollout: str) -> list[str]:
    """What to do where something failed for good."""
    if all(f.verdict is not Verdict.FAIL for f in findings):
        return []
    close = f"tidegate close {rollout} --as EMAIL --reason TEXT --leave-exposed"
    return [f"What has failed stays so; to end the rollout without that name: {close}"]


def graduation_asked(plan: Plan, state: RolloutState, findings: Sequence[Finding]) -> Notice:
    """The post-rollout time is over; people say whether the release is production-grade."""
    missing = [f for f in findings if not f.verdict.allows]
    lines = [f"- {f.text}: {f.sentence}" for f in missing]
    people = tuple(dict.fromkeys(email for one in plan.readiness for email in plan.roles[one.role]))
    body = "\n".join(
        [
            "The post-rollout time is over. Before this is production-grade, missing:",
            *lines,
            f"tidegate graduate {state.rollout} --as EMAIL --state NUMBER",
            *_never(findings, state.rollout),
            f"Journal head: {state.head[:12]}",
        ]
    )
    digest = hashlib.sha256("/".join(f"{f.criterion}={f.verdict}" for f in findings).encode()).hexdigest()[:8]
    title = f"{plan.title}: is it production-grade?"
    return Notice(f"graduation-{digest}", state.rollout, Loudness.INFO, title, body, to=people)


def legacy_looked(plan: Plan, state: RolloutState) -> Notice:
    """Whether legacy could take everybody back has changed."""
    able = "could take everybody back" if state.recovery.legacy_ready else "could NOT take everybody back"
    anyway = f"\nUntil it is, a rollback asks first (`tidegate rollback {state.rollout} --anyway`)."
    then = "" if state.recovery.legacy_ready else anyway
    loudness = Loudness.INFO if state.recovery.legacy_ready else Loudness.WARNING
    title = f"{plan.flag.key}: legacy {able}"
    return Notice(f"legacy-{state.sequence}", state.rollout, loudness, title, f"{state.recovery.legacy_seen}.{then}")


def retired(plan: Plan, state: RolloutState) -> Notice:
    """The old path is gone, and with it the rollback."""
    title = f"{plan.flag.key}: the old path is retired"
    then = f"From now on a rollback of {state.rollout} is refused: there is nothing to go back to."
    body = f"By {state.recovery.retired}.\n{then}"
    return Notice("retired", state.rollout, Loudness.INFO, title, body)


def raising_frozen(plan: Plan, state: RolloutState, stands: str, ended: str) -> Notice:
    """Raising was frozen for every rollout, or is allowed again; `stands` and `ended` say by whom and why."""
    if ended:
        title, body = f"{plan.title}: raising is no longer frozen", f"Unfrozen by {ended}. Gates ask anew."
    else:
        title = f"{plan.title}: raising is frozen"
        body = (
            f"{stands[:1].upper()}{stands[1:]}. Nothing is raised in any rollout until"
            " `tidegate unfreeze --as EMAIL --reason TEXT`. Guarding, holding and rolling back go on."
        )
    return Notice(f"freeze-{state.sequence}", state.rollout, Loudness.WARNING, title, body)
