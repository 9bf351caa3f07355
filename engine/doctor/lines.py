"""A line of the list: what was looked at, whether it would stop a rollout, what was seen, and what to do."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from enum import StrEnum


class State(StrEnum):
    """Whether a line would stop a rollout; what is not known would."""

    OK = "ok"
    NOTE = "note"  # a rollout goes on without it, and somebody should know
    STOPS = "stops"


@dataclass(frozen=True, slots=True)
class DoctorLine:
    """One thing that was looked at; `remedy` is empty where all is well."""

    name: str
    state: State
    sentence: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        """For machines."""
        return asdict(self)


Looking = Callable[[], str | DoctorLine]


@dataclass(frozen=True, slots=True)
class Look:
    """One thing to look at: its name, what mends it, and the look, which says what it found or raises."""

    name: str
    remedy: str
    look: Looking


def looked_at(looks: Iterable[Look]) -> tuple[DoctorLine, ...]:
    """A line for each, in this order, looked at side by side; whatever a look raises would stop a rollout."""
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="doctor") as pool:
        return tuple(pool.map(_line, looks))


def _line(one: Look) -> DoctorLine:
    try:
        found = one.look()
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing good was found
        words = " ".join(str(error).split()) or type(error).__name__
        return DoctorLine(one.name, State.STOPS, words, one.remedy)
    return DoctorLine(one.name, State.OK, found) if isinstance(found, str) else found
