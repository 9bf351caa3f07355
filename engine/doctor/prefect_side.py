"""Prefect's side: the server and its pages, pools and workers, deployments, and blocks that equal the kit."""

from pathlib import Path
from typing import Any

import httpx
import prefect
import yaml

from blocks.connections import OpenConnections
from blocks.errors import Refused
from blocks.prefect_blocks.block_types import slug_of
from blocks.prefect_blocks.connections_block import load_connections
from engine.doctor.lines import DoctorLine, Look, Looking, State
from engine.prefect_api.server import server_address, server_client
from engine.prefect_api.work_pools import CARRIES, pool_problems
from engine.watch.watch_places import watch_places

PROJECT = Path(__file__).resolve().parents[2]
DEPLOY = "tidegate deploy"
WATCHES = "`tidegate worker tidegate-watch` on each of two machines"
_SECONDS = 10.0


START = "start it (`tidegate server`) and set PREFECT_API_URL"


def server_look() -> Look:
    """The look at the named server, on which all else of Prefect's side rests."""
    return Look("server", START, _server)


def prefect_looks(via: OpenConnections | None) -> tuple[Look, ...]:
    """The looks at a server that answers; without a kit the blocks are held against nothing."""
    return (
        Look("pages", START, _pages),
        *(Look(f"workers of {pool}", f"tidegate worker {pool}", _workers_of(pool)) for pool in CARRIES),
        Look("deployments", DEPLOY, _deployments),
        *((Look("blocks", DEPLOY, lambda: _blocks(via)),) if via is not None else ()),
        *((Look("watch", WATCHES, _watch_of(via)),) if via is not None else ()),
    )


def _server() -> str | DoctorLine:
    with server_client() as client:
        found = str(client.request("GET", "/admin/version").json())
    where = server_address()
    if found != prefect.__version__:
        words = f"the server at {where} is Prefect {found}, this is {prefect.__version__}"
        return DoctorLine(
            "server", State.NOTE, words, f"run both with {prefect.__version__}, which Tidegate was tried on"
        )
    return f"Prefect {found} at {where}"


def _pages() -> str | DoctorLine:
    root = server_address().removesuffix("/").removesuffix("/api")
    try:
        answer = httpx.get(root, timeout=_SECONDS, follow_redirects=True)
        if answer.is_success and "html" in answer.headers.get("content-type", ""):
            return f"Prefect's pages are at {root}"
        said = f"it answered {answer.status_code}"
    except httpx.HTTPError as error:
        said = type(error).__name__
    words = f"Prefect's pages are not at {root} ({said}); gates can be answered on the dashboard and the command line"
    return DoctorLine("pages", State.NOTE, words, "start the server with PREFECT_UI_ENABLED=true")


def _workers_of(pool: str) -> Looking:
    def look() -> str:
        if problems := pool_problems([pool], patience=0):
            raise Refused(" ".join(problems))
        return f"a worker of {pool} is online, for {CARRIES[pool]}"

    return look


def _watch_of(via: OpenConnections) -> Looking:
    def look() -> str | DoctorLine:
        places = watch_places(via.journal)
        if places.problem:
            remedy = WATCHES if places.watches else f"{WATCHES}; the first watch begins within a minute of `{DEPLOY}`"
            return DoctorLine("watch", State.NOTE, places.problem, remedy)
        return f"the watch runs on {places.watch}, and {places.standby} stands by"

    return look


def _deployments() -> str | DoctorLine:
    declared = {one["name"]: one for one in yaml.safe_load((PROJECT / "prefect.yaml").read_text())["deployments"]}
    with server_client() as client:
        answered: list[dict[str, Any]] = client.request("POST", "/deployments/filter", json={}).json()
    # A server has other people's deployments, too; ours are known by where their flow is.
    there = {one["name"]: one for one in answered if str(one.get("entrypoint", "")).startswith("flows.")}
    if missing := sorted(declared.keys() - there.keys()):
        raise Refused(f"not deployed: {', '.join(missing)}")
    if old := sorted(name for name, one in declared.items() if _differs(one, there[name])):
        raise Refused(f"deployed otherwise than prefect.yaml says: {', '.join(old)}")
    folders = {step["directory"] for one in there.values() for step in _steps(one) if "directory" in step}
    if elsewhere := sorted(folders - {str(PROJECT), "."}):
        words = f"runs begin in {', '.join(elsewhere)}, this is {PROJECT}; each worker needs that folder"
        return DoctorLine("deployments", State.NOTE, words, DEPLOY)
    return f"{len(declared)} deployments as prefect.yaml says"


def _differs(declared: dict[str, Any], there: dict[str, Any]) -> bool:
    pool = (declared.get("work_pool") or {}).get("name")
    return (
        declared["entrypoint"] != there["entrypoint"]
        or pool != there.get("work_pool_name")
        or (declared.get("parameters") or {}).items() > (there.get("parameters") or {}).items()
    )


def _steps(deployment: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        fields for step in deployment.get("pull_steps") or () for fields in step.values() if isinstance(fields, dict)
    ]


def _blocks(via: OpenConnections | None) -> str:
    if via is None:
        raise Refused("there is no kit to hold the blocks against")
    saved, wanted = dict(load_connections("default").present()), dict(via.present())
    # Only names are shown: what differs may be a secret.
    wrong = sorted(saved.keys() ^ wanted.keys())
    for part in saved.keys() & wanted.keys():
        one, other = saved[part], wanted[part]
        fields = type(other).model_fields
        if slug_of(one) != slug_of(other):
            wrong.append(part)
        wrong += [f"{part}.{name}" for name in fields if getattr(one, name) != getattr(other, name)]
    if wrong:
        raise Refused(f"the blocks differ from the kit in {', '.join(sorted(wrong))}")
    return f"the blocks of `default` equal the kit's {len(wanted)} parts"
