"""What people are notified, do and ask for, and who carries the rollout."""

from tidegate.journal.bodies.evidence_bodies import WaveAccounted
from tidegate.journal.bodies.lifecycle_bodies import Carried, Orphaned, ReportWritten
from tidegate.journal.bodies.people_bodies import (
    DeliveryRefused,
    GraduationAsked,
    NoticeAttempted,
    NoticeQueued,
    NoticeSent,
    OrderGiven,
    ReadinessStated,
    UpkeepDone,
)
from tidegate.journal.entries import Entry
from tidegate.journal.records import Attempt, DeliveryRefusal
from tidegate.journal.reducers.fold_apply import Reducers, on, reducers
from tidegate.journal.refusals import RefusedOrder, with_refusal
from tidegate.journal.state import RolloutState, UpkeepRecord


def _carried(state: RolloutState, _: Entry, body: Carried) -> None:
    state.flow_run = body.flow_run


def _orphaned(state: RolloutState, _: Entry, body: Orphaned) -> None:
    state.orphaned = body.attempt


def _queued(state: RolloutState, _: Entry, body: NoticeQueued) -> None:
    state.notices.queued[body.notice["event"]] = body.notice


def _attempted(state: RolloutState, entry: Entry, body: NoticeAttempted) -> None:
    state.notices.attempts.setdefault(f"{body.event}/{body.channel}", Attempt(entry.at, body.holder))


def _delivery_refused(state: RolloutState, _: Entry, body: DeliveryRefused) -> None:
    refusal = DeliveryRefusal(body.count, frozenset(body.reached), body.refused, body.reason, body.until)
    state.notices.refused[f"{body.event}/{body.channel}"] = refusal


def _sent(state: RolloutState, _: Entry, body: NoticeSent) -> None:
    state.notices.sent[f"{body.event}/{body.channel}"] = body.reference


def _reported(state: RolloutState, _: Entry, body: ReportWritten) -> None:
    state.reports[body.report] = body


def _accounted(state: RolloutState, _: Entry, body: WaveAccounted) -> None:
    state.evidence.accounts[body.wave] = body


def _upkept(state: RolloutState, entry: Entry, body: UpkeepDone) -> None:
    state.upkept[body.item] = UpkeepRecord(entry.at, body)


def _ordered(state: RolloutState, entry: Entry, body: OrderGiven) -> None:
    # What an order led to has an entry of its own.
    if body.refused:
        refused = RefusedOrder(entry.at, body.what, body.by, body.refused)
        state.refusals = with_refusal(state.refusals, refused)


def _graduation_asked(state: RolloutState, _: Entry, body: GraduationAsked) -> None:
    state.graduation = body.findings


def _readiness_stated(state: RolloutState, _: Entry, body: ReadinessStated) -> None:
    state.readiness.update(dict.fromkeys(body.stated, body.by))


PEOPLE: Reducers = reducers(
    on(Carried, _carried),
    on(Orphaned, _orphaned),
    on(NoticeQueued, _queued),
    on(NoticeAttempted, _attempted),
    on(DeliveryRefused, _delivery_refused),
    on(NoticeSent, _sent),
    on(ReportWritten, _reported),
    on(WaveAccounted, _accounted),
    on(UpkeepDone, _upkept),
    on(OrderGiven, _ordered),
    on(GraduationAsked, _graduation_asked),
    on(ReadinessStated, _readiness_stated),
)
