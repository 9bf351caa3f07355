"""What findings of every kind share: a dry run decides nothing, and missing data is said in the same words."""

from dataclasses import replace
from typing import Protocol

from tidegate.values.samples import NoData
from tidegate.values.verdict import Finding, Verdict


class OnDryRun(Protocol):
    """Whatever may be measured and shown without deciding."""

    @property
    def dry_run(self) -> bool: ...


def on_dry_run(item: OnDryRun, finding: Finding) -> Finding:
    """A criterion on dry run is measured and shown; it decides nothing."""
    if not item.dry_run:
        return finding
    sentence = f"Dry run, would be {finding.verdict.value}: {finding.sentence}"
    return replace(finding, verdict=Verdict.NOT_APPLICABLE, sentence=sentence, required=False)


def no_data_words(reading: NoData) -> str:
    """`too few: 3 of at least 20 requests`."""
    reason = reading.reason.value.replace("_", " ")
    return f"{reason}: {reading.detail}" if reading.detail else reason
