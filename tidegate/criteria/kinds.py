"""The registry of the kinds of criteria that a plan can state: a new one is named here, and nowhere else."""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import Field

from tidegate.criteria.alerting.alarm_test import AlarmTest
from tidegate.criteria.alerting.alerts import Alerts
from tidegate.criteria.alerting.new_alerts import NewAlerts
from tidegate.criteria.base import BaseCriterion
from tidegate.criteria.comparisons.breaker import Breaker
from tidegate.criteria.comparisons.go_evidence import GoEvidence
from tidegate.criteria.comparisons.sample_ratio import SampleRatio
from tidegate.criteria.comparisons.versus_control import VersusControl
from tidegate.criteria.earlier_waves import EarlierWaves
from tidegate.criteria.external.cost import Cost
from tidegate.criteria.external.count import Count
from tidegate.criteria.external.human import Human
from tidegate.criteria.external.synthetic import Synthetic
from tidegate.criteria.installed import installed_kinds
from tidegate.criteria.metrics.change import Change
from tidegate.criteria.metrics.coverage import Coverage
from tidegate.criteria.metrics.leak import Leak
from tidegate.criteria.metrics.resource_spike import ResourceSpike
from tidegate.criteria.metrics.slo import Slo
from tidegate.criteria.metrics.threshold import Threshold
from tidegate.criteria.metrics.trend import Trend
from tidegate.criteria.registration import kind_word, whole

BUILT_IN: tuple[type[BaseCriterion], ...] = (
    Threshold,
    Alerts,
    EarlierWaves,
    Human,
    Change,
    Trend,
    Leak,
    NewAlerts,
    ResourceSpike,
    Slo,
    Coverage,
    Count,
    Cost,
    Synthetic,
    AlarmTest,
    VersusControl,
    GoEvidence,
    SampleRatio,
    Breaker,
)
CRITERION_KINDS: dict[str, type[BaseCriterion]] = {kind_word(whole(kind)): kind for kind in BUILT_IN}
_ADDED, REFUSED_KINDS = installed_kinds(CRITERION_KINDS)
CRITERION_KINDS |= _ADDED

if TYPE_CHECKING:
    Criterion: TypeAlias = BaseCriterion
else:
    Criterion = Annotated[
        reduce(or_, CRITERION_KINDS.values()), Field(discriminator="kind", description="One question.")
    ]


def is_measured(criterion: BaseCriterion) -> bool:
    """Whether a machine answers it and the answer counts."""
    return not criterion.by_people and not criterion.dry_run
