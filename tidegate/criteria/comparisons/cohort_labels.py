"""Which series are of whom: the two cohorts of a wave by their labels."""

from collections.abc import Iterator

from pydantic import Field

from tidegate.values.model import Contradiction, Matcher, Model


class CohortLabels(Model):
    """Labels of the users that a wave puts on the new path, and of those it leaves, on whatever path they are."""

    canary: Matcher = Field(description='Who is on the new path in this wave, e.g. cohort="0-10".')
    control: Matcher = Field(description='Who is not, e.g. cohort!="0-10".')

    def contradictions(self) -> Iterator[Contradiction]:
        """One side that selects everything, or two that are one."""
        for side in ("canary", "control"):
            if not getattr(self, side):
                yield (side,), "found an empty matcher, allowed is a label matcher that selects these users' series"
        if self.canary and self.canary == self.control:
            yield ("control",), f"found {self.control!r} (the canary's), allowed is a matcher of the other users"
