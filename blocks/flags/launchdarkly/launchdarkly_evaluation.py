"""What LaunchDarkly's own server SDK answers, from its file data source: offline, and nothing is written."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blocks.errors import Refused

_FIRST_SECONDS = 5.0


def answers_of(
    flag: Mapping[str, Any],
    environment: str,
    kind: str,
    attribute: str,
    users: Sequence[tuple[str, str]],
    default: bool,
) -> list[bool]:
    """The answers to these users (key, group), in their order; raises Refused where the SDK is not there."""
    try:
        from ldclient import Context, LDClient
        from ldclient.config import Config
        from ldclient.integrations import Files
    except ImportError:
        raise Refused("LaunchDarkly's SDK is not installed: pip install 'tidegate[launchdarkly]'") from None
    key = str(flag["key"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flags.json"
        path.write_text(json.dumps({"flags": {key: sdk_flag(flag, environment)}}), encoding="utf-8")
        source = Files.new_data_source(paths=[str(path)])
        client = LDClient(Config("offline", update_processor_class=source, send_events=False), _FIRST_SECONDS)
        try:
            if not client.is_initialized():
                raise Refused(f"LaunchDarkly's SDK does not take flag {key} as it would be written")
            contexts = (Context.builder(user).kind(kind).set(attribute, group).build() for user, group in users)
            return [bool(client.variation(key, context, default)) for context in contexts]
        finally:
            client.close()  # type: ignore[no-untyped-call]


def sdk_flag(flag: Mapping[str, Any], environment: str) -> dict[str, Any]:
    """The flag as SDKs are sent it, from the API's answer."""
    config = flag["environments"][environment]
    names = ("on", "offVariation", "fallthrough", "salt", "targets", "contextTargets")
    return {
        "key": flag["key"],
        "version": config["version"],
        "variations": [variation["value"] for variation in flag["variations"]],
        **{name: config[name] for name in names if config.get(name) is not None},
        "prerequisites": config.get("prerequisites") or [],
        "rules": [{"id": rule.get("_id", ""), **rule} for rule in config.get("rules") or []],
    }
