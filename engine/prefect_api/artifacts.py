"""Artifacts made beside what they show: a server that is away, or refuses one, holds up and breaks nothing."""

import contextvars
import re
from collections.abc import Callable
from functools import partial

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from engine.notices.background_worker import BackgroundWorker

_SHOWING = BackgroundWorker()


def artifact_key(what: str, rollout: str) -> str:
    """The key of a rollout's artifact: no two rollouts share one, and it has only what Prefect allows."""
    return f"{what}-" + re.sub(r"[^a-z0-9]+", "-", rollout.lower())


def show_page(page: str, *, key: str, description: str) -> None:
    """Make a Markdown artifact of the run under way, soon."""
    _beside(description, partial(_make_page, page, key, description))


def show_table(rows: list[dict[str, str]], *, key: str, description: str) -> None:
    """Make a table artifact of the run under way, soon."""
    _beside(description, partial(_make_table, rows, key, description))


def artifacts_made() -> None:
    """Wait until what was asked for is made, for ten seconds at most: a run that ends would take it along."""
    _SHOWING.flush()


def _beside(name: str, make: Callable[[], None]) -> None:
    _SHOWING.do(name, partial(contextvars.copy_context().run, make))


def _make_page(page: str, key: str, description: str) -> None:
    create_markdown_artifact(page, key=key, description=description)


def _make_table(rows: list[dict[str, str]], key: str, description: str) -> None:
    create_table_artifact(rows, key=key, description=description)
