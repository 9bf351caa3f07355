"""Who stands in for the new path, which the past did not have: the old path, by cohort where its series say so.

Where a wave's cohorts are labelled (`versus_control`, `go_evidence`), users who would have been on the new path
stand in for it, beside those who would not. Elsewhere the whole old path does, and there is nothing beside it.
"""

from dataclasses import dataclass

from tidegate.criteria.comparisons.cohort_labels import CohortLabels
from tidegate.criteria.plan_facts import PlanFacts
from tidegate.values.promql_template import names_in, selector


@dataclass(frozen=True, slots=True)
class Surrogate:
    """The matchers that stand for the new path and, where there is such a thing, for what is beside it."""

    canary: str
    control: str | None = None


def labels_of(plan: PlanFacts, wave: int) -> CohortLabels | None:
    """The labels of the wave's two cohorts, from whichever criterion names them."""
    name = plan.waves[wave - 1].name
    for step in plan.waves:
        for criterion in step.criteria:
            if name in criterion.cohorts_by_wave:
                return criterion.cohorts_by_wave[name]
    return None


def stand_in(plan: PlanFacts, wave: int, metric: str) -> Surrogate:
    """Who stands in for the new path of this metric; series that carry no cohort stand in as a whole."""
    labels, found = labels_of(plan, wave), plan.metrics[metric]
    asked = [text for text in (found.query, found.count, found.part, found.whole) if text is not None]
    if labels is None or not all("selector" in names_in(text) for text in asked):
        return Surrogate(plan.variants.control)
    return Surrogate(selector(plan.variants.control, labels.canary), selector(plan.variants.control, labels.control))
