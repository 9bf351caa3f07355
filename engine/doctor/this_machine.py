"""The machine: what is installed, the seeds of codes, and room on the disks that a rollout writes to."""

import shutil
from collections.abc import Iterable
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from engine.doctor.how_installed import put_right
from engine.doctor.lines import DoctorLine, Look, State
from engine.gates.code_client import SocketCodeJudge, codes_socket
from engine.gates.totp_seeds import approvers_path, read_seeds

_LEAST_MEGABYTES, _FEW_MEGABYTES = 100, 1000


def machine_looks(folders: Iterable[Path]) -> tuple[Look, ...]:
    """The looks at this machine; `folders` are where journal, flags and kit lie."""
    places = sorted({_existing(folder) for folder in folders})
    return (
        Look("versions", put_right(), _versions),
        Look(
            "codes",
            "`tidegate approver add EMAIL`, or start `tidegate codes serve --socket SOCKET`",
            _codes,
        ),
        *(Look(f"disk {place}", f"make room below {place}", partial(_disk, place)) for place in places),
    )


def _versions() -> str | DoctorLine:
    try:
        wanted = [Requirement(text) for text in requires("tidegate") or ()]
    except PackageNotFoundError:
        return DoctorLine("versions", State.NOTE, "Tidegate is not installed as a package", put_right())
    needed = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = [found for one in needed if (found := _mismatch(one))]
    if wrong:
        return DoctorLine("versions", State.STOPS, "; ".join(wrong), put_right())
    return f"tidegate {version('tidegate')}, its {len(needed)} dependencies as they should be"


def _mismatch(wanted: Requirement) -> str:
    try:
        found = version(wanted.name)
    except PackageNotFoundError:
        return f"{wanted.name} is not installed (allowed {wanted.specifier})"
    fits = wanted.specifier.contains(found, prereleases=True)
    return "" if fits else f"{wanted.name} {found} (allowed {wanted.specifier})"


def _codes() -> str | DoctorLine:
    if (service := codes_socket()) is not None:
        return f"the code service at {service} knows {len(SocketCodeJudge(service).people())} people"
    path = approvers_path()
    if people := read_seeds(path):
        return f"{len(people)} people have a seed in {path}"
    nobody = f"nobody has a one-time code here ({path}); plans whose approvals need codes cannot start"
    return DoctorLine("codes", State.NOTE, nobody, "on the worker: tidegate approver add EMAIL")


def _disk(place: Path) -> str | DoctorLine:
    free = shutil.disk_usage(place).free // 1_000_000
    found = f"{free:,} MB are free at {place}"
    if free < _FEW_MEGABYTES:
        state = State.STOPS if free < _LEAST_MEGABYTES else State.NOTE
        return DoctorLine(f"disk {place}", state, f"{found}, fewer than {_FEW_MEGABYTES:,}", f"make room below {place}")
    return found


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.is_dir())
