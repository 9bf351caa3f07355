"""The release plan as frozen values; whatever is not written here is refused when a plan is read."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from zoneinfo import ZoneInfo

from tidegate.checklist.items import ChecklistItem, HumanProof
from tidegate.criteria.base import When
from tidegate.criteria.kinds import Criterion
from tidegate.plan.fields.calendar import FreezeDates, Raising
from tidegate.plan.fields.channels import Channels, Contact
from tidegate.plan.fields.flag import Flag, Lease
from tidegate.plan.fields.plan_fields import Approvals, OnNoData, Pace, PlanFields, parse_pace
from tidegate.plan.fields.policies import AfterWaiting, OnNewBuild, Readiness
from tidegate.plan.fields.rollback import Proof, Rollback
from tidegate.plan.fields.waves import Gate, PostRollout, Wave
from tidegate.plan.validation.whole_plan import whole_plan_contradictions
from tidegate.values.exposure import Exposure, Layer
from tidegate.values.metrics import Audience, Baseline, Limit, Metric, Traffic, Variants
from tidegate.values.model import NAME, Contradiction, Email, Model, Name, Text
from tidegate.values.older_words import with_present_keys

__all__ = [
    "NAME",
    "AfterWaiting",
    "Approvals",
    "Audience",
    "Baseline",
    "Channels",
    "ChecklistItem",
    "Contact",
    "Criterion",
    "Email",
    "Flag",
    "FreezeDates",
    "Gate",
    "HumanProof",
    "Lease",
    "Limit",
    "Metric",
    "Model",
    "Name",
    "OnNewBuild",
    "OnNoData",
    "Pace",
    "Plan",
    "PostRollout",
    "Proof",
    "Raising",
    "Readiness",
    "Rollback",
    "Text",
    "Traffic",
    "Variants",
    "Wave",
    "When",
    "parse_pace",
    "plan_hash",
    "stored_plan",
    "timezone_of",
]


class Plan(PlanFields):
    """A whole release plan, resolved: overlays and defaults included."""

    def contradictions(self) -> Iterator[Contradiction]:
        """What its parts contradict in each other."""
        return whole_plan_contradictions(self)

    @property
    def hash(self) -> str:
        """SHA-256 of the resolved plan; part of every approval."""
        return plan_hash(self.to_json())

    def to_json(self) -> dict[str, object]:
        """As stored in the rollout's opening entry; `stored_plan` reads it back."""
        body: dict[str, object] = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return body

    def exposure_at(self, wave: int) -> Exposure:
        """The exposure of wave `wave` (1-based): its layer and all earlier ones, a larger share replacing a smaller."""
        layers: dict[str, Layer] = {}
        for step in self.waves[:wave]:
            layers.pop(step.audience, None)
            layers[step.audience] = Layer(step.audience, self.audiences[step.audience].groups, step.percent)
        flag = self.flag
        return Exposure(tuple(layers.values()), flag.attribute, flag.always_on, flag.always_off, flag.variants)


def stored_plan(stored: Mapping[str, object]) -> Plan:
    """A plan as an opening entry has it, an earlier release's included; raises ValidationError."""
    return Plan.model_validate(with_present_keys(stored))


def plan_hash(resolved: dict[str, object]) -> str:
    """SHA-256 over the canonical JSON of a resolved plan."""
    text = json.dumps(resolved, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def timezone_of(plan: Plan) -> ZoneInfo:
    """The plan's time zone."""
    return ZoneInfo(plan.timezone)
