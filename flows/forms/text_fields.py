"""What the forms in Prefect's UI take and show."""

import re

# The server refuses anything else before a process starts. Durations are at most as long as tidegate.values.units reads
# them.
EMAIL = r"^[^@\s<>,;\"]+@[^@\s<>,;\"]+$"
NAME = r"^.*\S.*$"
DURATION = r"^(\d{1,3}d)?(\d{1,3}h)?(\d{1,3}m)?(\d{1,5}s)?$"


def field_text(markdown: str) -> str:
    """Markdown for a field's description, whose line ends the V1 UI turns into spaces unless another one follows."""
    return re.sub(r"\n+", lambda ends: ends[0] + "\n", markdown)
