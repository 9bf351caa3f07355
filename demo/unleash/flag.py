"""The demo service's flag, evaluated by Unleash's own SDK."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from UnleashClient.cache import BaseCache
from UnleashClient.clients.unleash_client import UnleashClient
from UnleashClient.events import BaseEvent, UnleashFetchedEvent
from UnleashClient.utils import normalized_hash

from demo.batch_patches.cohorts import BY_NAME, cohort_of_bucket
from demo.batch_patches.flag import FLAG, Assignment

REFRESH_SECONDS = 1  # the least that the SDK takes
_MARK = "tidegate"  # the parameter in which Tidegate leaves what a strategy is a part of


class UnleashFlag:
    """The flag as the service sees it: off on every doubt; while Unleash is down, as it was last."""

    def __init__(self, url: str, token: str, environment: str) -> None:
        # Otherwise each refresh while the server is down is logged with a traceback.
        logging.getLogger("UnleashClient").setLevel(logging.CRITICAL)
        self._exposure: object = None
        self._changed: list[Callable[[], None]] = []
        self._client = UnleashClient(
            f"{url}/api",
            "batch-patches",
            environment=environment,
            custom_headers={"Authorization": token},
            refresh_interval=REFRESH_SECONDS,
            request_timeout=2,
            disable_metrics=True,
            disable_registration=True,
            cache=_Memory(),
            event_callback=self._fetched,
        )
        self._client.initialize_client()

    def assign(self, user: str, group: str, key: str = FLAG) -> Assignment:
        """Say whether a user takes the new path now; `key` names another flag of the same project."""
        context = {"userId": user, "properties": {"group": group}}
        return Assignment(self._client.is_enabled(key, context), self._exposure)

    def cohort(self, user: str, group: str, key: str = FLAG) -> str:
        """The cohort of a user, from the bucket that Unleash's SDKs put them in."""
        return BY_NAME[group] if group in BY_NAME else cohort_of_bucket(normalized_hash(user, key))

    def on_change(self, changed: Callable[[], None]) -> None:
        """Have this called after any flag of the project was changed."""
        self._changed.append(changed)

    def close(self) -> None:
        """Stop asking Unleash."""
        self._client.destroy()

    def _fetched(self, event: BaseEvent) -> None:
        if not isinstance(event, UnleashFetchedEvent):
            return
        found = [flag for flag in json.loads(event.raw_features)["features"] if flag["name"] == FLAG]
        self._exposure = exposure_in(found[0]) if found else None
        for changed in self._changed:
            changed()


def exposure_in(flag: Mapping[str, Any]) -> object:
    """What changes with the flag's exposure and with nothing else; None for a flag that Tidegate never wrote."""
    marks = [json.loads(s["parameters"][_MARK]) for s in flag["strategies"] if _MARK in s.get("parameters", {})]
    newest = max((mark["epoch"] for mark in marks), default=0)
    written = sorted({json.dumps(mark["exposure"], sort_keys=True) for mark in marks if mark["epoch"] == newest})
    return (bool(flag["enabled"]), *written) if written else None


class _Memory(BaseCache):
    """Nothing of an earlier demo: what the SDK would keep on the disk is forgotten with the process."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def set(self, key: str, value: Any) -> None:
        self._known[key] = value

    def mset(self, data: dict[str, Any]) -> None:
        self._known |= data

    def get(self, key: str, default: Any = None) -> Any:
        return self._known.get(key, default)

    def exists(self, key: str) -> bool:
        return key in self._known

    def destroy(self) -> None:
        self._known.clear()
