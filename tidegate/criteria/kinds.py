"""The registry of the kinds of criteria that a plan can state: a new one is named here, and nowhere else."""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import Field

from tidegate.criteria.alarm_test import AlarmTest
from tidegate.criteria.alerts import Alerts
from tidegate.criteria.base import BaseCriterion
from tidegate.criteria.breaker import Breaker
from tidegate.criteria.change import Change
from tidegate.criteria.cost import Cost
from tidegate.criteria.count import Count
from tidegate.criteria.coverage import Coverage
from tidegate.criteria.earlier_waves import EarlierWaves
from tidegate.criteria.go_evidence import GoEvidence
from tidegate.criteria.human import Human
from tidegate.criteria.installed import installed_kinds
from tidegate.criteria.leak import Leak
from tidegate.criteria.new_alerts import NewAlerts
from tidegate.criteria.registration import kind_word, whole
from tidegate.criteria.resource_spike import ResourceSpike
from tidegate.criteria.sample_ratio import SampleRatio
from tidegate.criteria.slo import Slo
from tidegate.criteria.synthetic import Synthetic
from tidegate.criteria.threshold import Threshold
from tidegate.criteria.trend import Trend
from tidegate.criteria.versus_control import VersusControl

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
