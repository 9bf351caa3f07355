"""The rules of a rollout: pure Python, without Prefect, network, clock or environment.

A plan is read (`load_plan`), a journal's entries fold into a state (`fold`); a state says what is next (`next_step`),
and what was judged decides (`decide`). Each name is imported when it is asked for: a rollback does not wait for all.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidegate.criteria.base import BaseCriterion, Judgement
    from tidegate.criteria.context import Context
    from tidegate.gates.approval import Answer
    from tidegate.journal.entries import Entry
    from tidegate.journal.fold import fold
    from tidegate.journal.kinds import Kind
    from tidegate.journal.state import Phase, RolloutState
    from tidegate.notices.notice import Notice
    from tidegate.plan.loading.loader import load_plan
    from tidegate.plan.model import Plan
    from tidegate.plan.pace import Pace, Timing
    from tidegate.rollout.decision import decide
    from tidegate.rollout.next_step import next_step
    from tidegate.rollout.permit import Permit
    from tidegate.values.exposure import Exposure
    from tidegate.values.samples import NoData, Sample
    from tidegate.values.units import Unit
    from tidegate.values.verdict import Finding, Verdict, worst

_HOME = {
    "Answer": "tidegate.gates.approval",
    "BaseCriterion": "tidegate.criteria.base",
    "Context": "tidegate.criteria.context",
    "Entry": "tidegate.journal.entries",
    "Exposure": "tidegate.values.exposure",
    "Finding": "tidegate.values.verdict",
    "Judgement": "tidegate.criteria.base",
    "Kind": "tidegate.journal.kinds",
    "NoData": "tidegate.values.samples",
    "Notice": "tidegate.notices.notice",
    "Pace": "tidegate.plan.pace",
    "Permit": "tidegate.rollout.permit",
    "Phase": "tidegate.journal.state",
    "Plan": "tidegate.plan.model",
    "RolloutState": "tidegate.journal.state",
    "Sample": "tidegate.values.samples",
    "Timing": "tidegate.plan.pace",
    "Unit": "tidegate.values.units",
    "Verdict": "tidegate.values.verdict",
    "decide": "tidegate.rollout.decision",
    "fold": "tidegate.journal.fold",
    "load_plan": "tidegate.plan.loading.loader",
    "next_step": "tidegate.rollout.next_step",
    "worst": "tidegate.values.verdict",
}

__all__ = [
    "Answer",
    "BaseCriterion",
    "Context",
    "Entry",
    "Exposure",
    "Finding",
    "Judgement",
    "Kind",
    "NoData",
    "Notice",
    "Pace",
    "Permit",
    "Phase",
    "Plan",
    "RolloutState",
    "Sample",
    "Timing",
    "Unit",
    "Verdict",
    "decide",
    "fold",
    "load_plan",
    "next_step",
    "worst",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
