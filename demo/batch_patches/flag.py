"""The demo service's flag: who takes the new path, decided by OpenFeature with flagd's file mode."""

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from openfeature import api
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent

from demo.batch_patches.cohorts import cohort_of

FLAG = "batch-patches-v1"
POLL_MILLISECONDS = 50
UNLEASH_TOKEN = "UNLEASH_SDK_TOKEN"  # the variable that has it, since arguments are seen by everybody

_OFF = {
    "$schema": "https://flagd.dev/schema/v0/flags.json",
    "flags": {
        FLAG: {
            "state": "ENABLED",
            "variants": {"on": True, "off": False},
            "defaultVariant": "off",
            "targeting": {},
        }
    },
}


def write_initial_flag(path: Path) -> None:
    """Write the flag, off for everybody, unless a flag file is already there."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    staged.write_text(json.dumps(_OFF, indent=2) + "\n", encoding="utf-8")
    try:
        # A link, unlike a rename, fails when somebody else has written the file meanwhile.
        os.link(staged, path)
    except FileExistsError:
        pass
    finally:
        staged.unlink()


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the flag says for a user, and under which exposure it was written."""

    on: bool
    exposure: object


class ServiceFlag(Protocol):
    """Whatever evaluates the flag for the service."""

    def assign(self, user: str, group: str, key: str = FLAG) -> Assignment:
        """Say whether a user takes the new path now; `key` names another flag of the same place."""

    def cohort(self, user: str, group: str, key: str = FLAG) -> str:
        """The cohort of a user, from the bucket that the flag's own evaluation puts them in."""

    def on_change(self, changed: Callable[[], None]) -> None:
        """Have this called after any flag was changed or could not be read."""

    def close(self) -> None:
        """Stop looking."""


class Flag:
    """The flag as the service sees it: off on every doubt, and re-read soon after its file was replaced."""

    def __init__(self, path: Path) -> None:
        # Otherwise a missing file is logged with a traceback at every poll, twenty times a second.
        logging.getLogger("openfeature.contrib").setLevel(logging.CRITICAL)
        # In file mode the poll interval is `deadline_ms`, not the option named after polling.
        provider = FlagdProvider(
            resolver_type=ResolverType.FILE,
            offline_flag_source_path=str(path),
            deadline_ms=POLL_MILLISECONDS,
        )
        api.set_provider(provider)
        self._client = api.get_client()

    def assign(self, user: str, group: str, key: str = FLAG) -> Assignment:
        """Say whether a user takes the new path now; `key` names another flag of the same file."""
        context = EvaluationContext(targeting_key=user, attributes={"group": group})
        details = self._client.get_boolean_details(key, False, context)
        return Assignment(details.value, details.flag_metadata.get("tidegateExposure"))

    def cohort(self, user: str, group: str, key: str = FLAG) -> str:
        """The cohort of a user, from the bucket that flagd's evaluation puts them in."""
        return cohort_of(key, user, group)

    def on_change(self, changed: Callable[[], None]) -> None:
        """Have this called after any flag of the file was written anew or could not be read."""
        for event in (ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, ProviderEvent.PROVIDER_ERROR):
            self._client.add_handler(event, lambda _: changed())

    def close(self) -> None:
        """Stop watching the file."""
        api.shutdown()
