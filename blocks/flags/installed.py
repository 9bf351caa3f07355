"""Flag backends that other installed packages add, each by an entry point named as a kit writes its block type.

One is looked up by its name, and only where that is none of Tidegate's own: a package that is broken or gone stops
whoever uses it, and nobody else's zero. Needs no Prefect.
"""

from importlib.metadata import EntryPoint, entry_points

from pydantic import BaseModel

from blocks.errors import Refused

GROUP = "tidegate.flag_backends"
VERBS = ("propagation", "read", "fence", "write", "zero", "by_hand", "check")


def installed_backend(slug: str) -> type[BaseModel]:
    """The class with the verbs of FlagBackend; raises Refused, which says what is missing or broken."""
    found = tuple(entry_points(group=GROUP, name=slug))
    if not found:
        there = ", ".join(sorted(installed_names())) or "none"
        raise Refused(f"no installed package adds a flag backend {slug!r} (those that are added: {there})")
    if len(found) > 1:
        raise Refused(f"{' and '.join(sorted(map(_package, found)))} each add a flag backend {slug!r}: remove one")
    try:
        return _whole(found[0].load())
    except (Exception, SystemExit) as error:  # whatever another package raises is said of this backend alone
        problem = f"{type(error).__name__}: {error}"
        raise Refused(f"the flag backend {slug!r} of {_package(found[0])} cannot be used: {problem}") from error


def installed_names() -> frozenset[str]:
    """The block types that packages add, whether they work or not."""
    return frozenset(point.name for point in entry_points(group=GROUP))


def _whole(found: object) -> type[BaseModel]:
    if not isinstance(found, type) or not issubclass(found, BaseModel):
        raise TypeError(f"found {found!r}, allowed is a subclass of pydantic's BaseModel")
    if any(base.__module__.partition(".")[0] == "prefect" for base in found.__mro__):
        raise TypeError(
            f"{found.__name__} is a Prefect block, allowed is a model without Prefect: the block is made of it"
        )
    if missing := [verb for verb in VERBS if not (hasattr(found, verb) or verb in found.model_fields)]:
        raise TypeError(f"{found.__name__} lacks {', '.join(missing)}")
    return found


def _package(point: EntryPoint) -> str:
    return f"the package {point.dist.name}" if point.dist is not None else point.value
