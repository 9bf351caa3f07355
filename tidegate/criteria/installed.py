"""Kinds of criteria that other installed packages add, each by an entry point named as a plan writes the kind."""

from collections.abc import Container
from importlib.metadata import EntryPoint, entry_points

from tidegate.criteria.base import BaseCriterion
from tidegate.criteria.registration import kind_word, whole

GROUP = "tidegate.criteria"


def installed_kinds(taken: Container[str]) -> tuple[dict[str, type[BaseCriterion]], dict[str, str]]:
    """The kinds by their words; and why others may not be used, by the words under which plans would ask for them.

    A package that is broken refuses the plans that use its kind, and nothing else: any other rollout goes on.
    """
    kinds: dict[str, type[BaseCriterion]] = {}
    refused: dict[str, str] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda found: (found.name, found.value)):
        try:
            kind = whole(point.load())
            if (word := kind_word(kind)) != point.name:
                raise TypeError(f"{kind.__name__} is of kind {word!r}, allowed is an entry point named {word}")
            if word in taken or word in kinds:
                raise TypeError(f"kind {word!r} is there already, allowed is another word")
            kinds[word] = kind
        except Exception as error:  # noqa: BLE001 - whatever another package raises must stop none but its own kind
            refused[point.name] = f"{_package(point)}: {type(error).__name__}: {error}"
    return kinds, {word: why for word, why in refused.items() if word not in kinds and word not in taken}


def _package(point: EntryPoint) -> str:
    return f"the package {point.dist.name}" if point.dist is not None else point.value
