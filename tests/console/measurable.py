"""A plan without what asks web sources or commands, which have no past to be asked for."""

from tidegate.criteria.alerting.alarm_test import AlarmTest
from tidegate.criteria.external.cost import Cost
from tidegate.criteria.external.count import Count
from tidegate.criteria.external.synthetic import Synthetic
from tidegate.plan.model import Criterion, Plan, PostRollout, Wave


def measurable(plan: Plan) -> Plan:
    """The plan with criteria that Prometheus and the journal answer; tests/triggers and tests/engine try the others."""
    waves = tuple(step.model_copy(update={"criteria": _kept(step), "actions": ()}) for step in plan.waves)
    after = plan.post_rollout.model_copy(update={"criteria": _kept(plan.post_rollout), "actions": ()})
    # The senders of known requests are none without them, and would be taken for a control.
    flag = plan.flag.model_copy(update={"always_on": (), "always_off": ()})
    return plan.model_copy(update={"flag": flag, "waves": waves, "post_rollout": after})


def _kept(step: Wave | PostRollout) -> tuple[Criterion, ...]:
    return tuple(c for c in step.criteria if not isinstance(c, AlarmTest | Cost | Count | Synthetic))
