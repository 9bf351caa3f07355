"""What people are told, do and ask for, and who carries the rollout."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidegate.journal.entries import Entry, Kind
from tidegate.journal.fold_apply import Apply
from tidegate.journal.refusals import Refused, with_refusal
from tidegate.journal.state import Attempt, DeliveryRefusal, RolloutState


def _carried(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.flow_run = body["flow_run"]


def _orphaned(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.orphaned = body["attempt"]


def _queued(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.queued[body["notice"]["event"]] = body["notice"]


def _attempted(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    state.attempts.setdefault(f"{body['event']}/{body['channel']}", Attempt(entry.at, body["holder"]))


def _delivery_refused(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    until = datetime.fromisoformat(body["until"]) if body["until"] else None
    reached = frozenset(map(str, body["reached"]))
    refusal = DeliveryRefusal(body["count"], reached, tuple(body["refused"]), body["reason"], until)
    state.delivery_refusals[f"{body['event']}/{body['channel']}"] = refusal


def _sent(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.sent[f"{body['event']}/{body['channel']}"] = body["reference"]


def _reported(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.reports[body["report"]] = body


def _accounted(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.accounts[body["wave"]] = body


def _upkept(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    state.upkept[body["item"]] = {**body, "at": entry.at.isoformat()}


def _ordered(state: RolloutState, entry: Entry, body: Mapping[str, Any]) -> None:
    # What an order led to has an entry of its own.
    if body["refused"]:
        refused = Refused(entry.at, body["what"], body["by"], body["refused"])
        state.refusals = with_refusal(state.refusals, refused)


def _graduation_asked(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.graduation = body["findings"]


def _readiness_stated(state: RolloutState, _: Entry, body: Mapping[str, Any]) -> None:
    state.readiness.update(dict.fromkeys(body["stated"], body["by"]))


PEOPLE: Mapping[Kind, Apply] = {
    Kind.CARRIED: _carried,
    Kind.ORPHANED: _orphaned,
    Kind.QUEUED: _queued,
    Kind.ATTEMPTED: _attempted,
    Kind.DELIVERY_REFUSED: _delivery_refused,
    Kind.SENT: _sent,
    Kind.REPORTED: _reported,
    Kind.ACCOUNTED: _accounted,
    Kind.UPKEPT: _upkept,
    Kind.ORDERED: _ordered,
    Kind.GRADUATION_ASKED: _graduation_asked,
    Kind.READINESS_STATED: _readiness_stated,
}
