"""The end of the post-rollout time: ask what people have to state, and call the release production-grade."""

from collections.abc import Iterable
from datetime import datetime

from engine.measuring.wave_usage import account
from engine.notices.housekeeping import LOOK_AGAIN
from engine.notices.queueing import notify
from engine.rollout.open import NotAllowed
from engine.rollout.session import OpenRollout, utc_now
from tidegate.criteria.metrics.queries import traffic_queries
from tidegate.journal.bodies.lifecycle_bodies import Finished
from tidegate.journal.bodies.people_bodies import GraduationAsked, ReadinessStated
from tidegate.journal.state import Phase
from tidegate.notices.reminder_texts import graduation_asked
from tidegate.notices.texts import finished
from tidegate.reports.success import success
from tidegate.rollout.graduation import exercised, is_ready, readiness_findings, readiness_key, statements_for
from tidegate.values.verdict import Finding, Verdict

_seen: dict[str, tuple[datetime, Finding]] = {}
_judged: dict[str, tuple[datetime, tuple[Finding, ...]]] = {}


def graduate(run: OpenRollout, reason: str, now: datetime) -> None:
    """Finish a rollout whose post-rollout time is over once nothing is missing; until then ask, and guard on."""
    findings = (_exercised(run, now), *_successes(run, now), *readiness_findings(run.plan, run.state))
    if is_ready(findings):
        body = Finished(reason, production_grade=True, findings=[f.to_json() for f in findings])
        if run.append(body, now, unless=lambda s: not s.phase.is_open, fenced=True):
            notify(run, finished(run.plan, run.state))
        return
    if run.state.auto_approve:
        for number, one in enumerate(run.plan.readiness, start=1):
            if readiness_key(number) not in run.state.readiness:
                _state(run, run.plan.roles[one.role][0].lower(), [readiness_key(number)], "automatically (rehearsal)")
        if run.state.graduation:
            _end_unready(run, reason, findings, now)
            return
    said = {f.criterion: f.verdict.value for f in findings}
    if said != {f["criterion"]: f["verdict"] for f in run.state.graduation}:
        run.append(GraduationAsked([f.to_json() for f in findings]), now, fenced=True)
        notify(run, graduation_asked(run.plan, run.state, findings))


def _end_unready(run: OpenRollout, reason: str, findings: Iterable[Finding], now: datetime) -> None:
    """Finish a rehearsal that nobody answers in: asked once, it ends, and says what a person would have been asked."""
    left = [f for f in findings if f.verdict is not Verdict.PASS and f.criterion not in run.state.readiness]
    if not left:
        return  # all was stated just now: the next look finishes it
    asked = " ".join(f"{f.text}: {f.sentence}" for f in left)
    why = f"{reason} NOT production-grade: a person would have been asked about {asked}"
    body = Finished(why, production_grade=False, findings=[f.to_json() for f in findings])
    if run.append(body, now, unless=lambda s: not s.phase.is_open, fenced=True):
        notify(run, finished(run.plan, run.state))


def _successes(run: OpenRollout, now: datetime) -> tuple[Finding, ...]:
    """The plan's own success criteria, from the whole journal; not read anew at every guard."""
    known = _judged.get(run.rollout)
    if not run.plan.success or (known is not None and now - known[0] < max(LOOK_AGAIN, run.timing.guard)):
        return known[1] if known and run.plan.success else ()
    account(run, run.state.wave, now)
    entries = run.connections.journal.entries(run.rollout)[: run.state.sequence]
    found = success(run.plan, run.state, entries, is_over=True)
    _judged[run.rollout] = (now, found)
    return found


def _exercised(run: OpenRollout, now: datetime) -> Finding:
    """Requests on the new path since the post-rollout time began; a query over days is not asked at every guard."""
    known = _seen.get(run.rollout)
    if known is not None and (known[1].verdict is Verdict.PASS or now - known[0] < min(LOOK_AGAIN, run.timing.guard)):
        return known[1]
    record = run.state.record
    least = run.timing.window(run.plan.traffic.window)
    window = max(now - record.raised_at, least) if record is not None else least
    query = traffic_queries(run.plan, run.state.wave, window)["traffic_canary"]
    finding = exercised(run.connections.prometheus.instant({"used": query}, now)["used"], query)
    _seen[run.rollout] = (now, finding)
    return finding


def state_readiness(run: OpenRollout, person: str, numbers: Iterable[int], note: str) -> tuple[str, ...]:
    """Record what this person states; the next look at the rollout decides what follows. Raises NotAllowed."""
    state, allowed = run.refresh(), statements_for(run.plan, person)
    if state.phase is not Phase.POST_ROLLOUT or not state.graduation:
        where = state.phase.value.replace("_", " ")
        raise NotAllowed(f"{run.rollout} does not ask to be called production-grade yet; it is {where}")
    wanted = sorted(set(numbers))
    if not wanted:
        raise NotAllowed("--state: found nothing, allowed are numbers of statements")
    for number in wanted:
        if number not in allowed:
            mine = ", ".join(map(str, allowed)) or "none"
            raise NotAllowed(f"--state: found {number}, allowed for {person} are {mine}")
    keys = [readiness_key(number) for number in wanted]
    _state(run, person.lower(), keys, note)
    return tuple(allowed[number].text for number in wanted)


def _state(run: OpenRollout, person: str, keys: list[str], note: str) -> None:
    run.append(ReadinessStated(person, tuple(keys), note), utc_now(), unless=lambda s: not s.phase.is_open)
