"""The whole list: variables and kit, this machine, the connections, Prefect's side, and test messages if asked for."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from blocks.connections import OpenConnections
from blocks.errors import Refused
from blocks.kit import KitError, read_kit
from engine.doctor.connections import connection_looks, written_folders
from engine.doctor.lines import DoctorLine, Look, State, looked_at
from engine.doctor.messages import message_looks
from engine.doctor.prefect_side import prefect_looks, server_look
from engine.doctor.this_machine import machine_looks
from engine.prefect_api.server import server_address


def examine(kit: Path, send: Sequence[str] = ()) -> tuple[DoctorLine, ...]:
    """A line for everything between this person and a rollout; nothing is changed, and only `send` sends anything."""
    via, kit_line = _kit(kit)
    folders = (kit.parent, *(written_folders(via) if via else ()))
    variables, *others = looked_at(
        (
            Look("variables", "export PREFECT_API_URL=http://127.0.0.1:4200/api", _variables),
            server_look(),
            *machine_looks(folders),
            *(connection_looks(via) if via else ()),
            *(message_looks(via, send) if via else ()),
        )
    )
    server = others.pop(0)
    return (kit_line, variables, *others, *_prefect_side(variables, server, via))


def _prefect_side(variables: DoctorLine, server: DoctorLine, via: OpenConnections | None) -> tuple[DoctorLine, ...]:
    """One thing that is missing is one line: what rests on it is not said again by whatever needs it."""
    if variables.state is State.STOPS:
        return ()
    if server.state is State.STOPS:
        looks = ", ".join(look.name for look in prefect_looks(via))
        return (replace(server, sentence=f"{server.sentence}; not looked at without it: {looks}"),)
    return (server, *looked_at(prefect_looks(via)))


def stops(lines: Sequence[DoctorLine]) -> bool:
    """Whether something would stop a rollout."""
    return any(line.state is State.STOPS for line in lines)


def _kit(path: Path) -> tuple[OpenConnections | None, DoctorLine]:
    remedy = "write one (docs/connections.md) and name it: export TIDEGATE_KIT=/path/kit.yaml"
    if not path.exists():
        return None, DoctorLine("kit", State.STOPS, f"there is no kit file at {path}", remedy)
    try:
        via = read_kit(path)
    except KitError as error:
        return None, DoctorLine("kit", State.STOPS, str(error), f"mend {path} (mode 0600)")
    return via, DoctorLine("kit", State.OK, f"{path} names {', '.join(part for part, _ in via.present())}")


def _variables() -> str:
    try:
        address = server_address()
    except Refused as refused:
        unseen = "so nothing of Prefect's side was looked at: server, pages, workers, deployments, blocks"
        raise Refused(f"{refused}; {unseen}") from refused
    named = f"PREFECT_API_URL leads to {address}"
    kit = os.environ.get("TIDEGATE_KIT")
    return (
        f"{named}; TIDEGATE_KIT is {kit}"
        if kit
        else f"{named}; TIDEGATE_KIT is not set, so the local stack's kit is used"
    )
