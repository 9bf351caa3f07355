"""What flagd's own evaluation makes of a definition before it is written."""

from collections.abc import Mapping, Sequence
from typing import Any

from blocks.flags.flagd.flagd_rules import OFF, define, define_zero, epoch_of
from tidegate.values.exposure import Exposure


def evaluated(
    flag: str, before: Mapping[str, Any], exposure: Exposure, users: Sequence[tuple[str, str]], *, default: bool
) -> list[bool]:
    """Whether each user (key, group) gets the new path, were this written over `before`."""
    from openfeature.contrib.tools.flagd.core import FlagdCore
    from openfeature.evaluation_context import EvaluationContext

    on, off = exposure.variants or ("on", OFF)
    epoch = epoch_of(before)
    made = define_zero(dict(before), epoch, off) if exposure.is_zero else define(exposure, epoch, before)
    # By name: the service's own default is the one answer that is none of the flag's variants.
    values = {name: name for name in made["variants"]}
    made.pop("key", None)  # in a file's list form it stands in the definition
    core = FlagdCore()
    core.set_flags({"flags": {flag: {**made, "variants": values}}})
    return [
        core.resolve_string_value(
            flag, on if default else off, EvaluationContext(user, _attributes(exposure.attribute, group))
        ).value
        == on
        for user, group in users
    ]


def _attributes(name: str, group: str) -> dict[str, Any]:
    """Where the name has dots, flagd looks inside."""
    *parents, last = name.split(".")
    made: dict[str, Any] = {last: group}
    for parent in reversed(parents):
        made = {parent: made}
    return made
