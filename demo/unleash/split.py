"""The demo's check, as a release plan names it, of the flag in Unleash that splits the traffic; and its backup."""

import argparse
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

_STRATEGY = "flexibleRollout"


def served_flag(url: str, token: str, key: str) -> Any:
    """The flag as SDKs are given it; raises OSError, and LookupError for none of this name."""
    request = urllib.request.Request(f"{url}/api/client/features/{key}", headers={"Authorization": token})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def wrong_split(flag: Any) -> str:
    """What is wrong with a flag's strategies, or empty."""
    try:
        strategies = [strategy for strategy in flag["strategies"] if not strategy.get("disabled")]
        if flag["enabled"] and not strategies:
            return f"{flag['name']} is on without a strategy, which is everybody"
        for strategy in strategies:
            if strategy["name"] != _STRATEGY:
                return f"{flag['name']}: found the strategy {strategy['name']}, allowed is {_STRATEGY}"
            share = str(strategy["parameters"]["rollout"])
            # Anything else is nobody, without a word.
            if not share.isdigit() or int(share) > 100:
                return f"{flag['name']}: found the share {share}, allowed are whole numbers from 0 to 100"
    except (KeyError, TypeError, AttributeError) as error:
        return f"Unleash defines no split ({type(error).__name__})"
    return ""


def main() -> None:
    """Check it; exit 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m demo.unleash.split", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("secrets", type=Path, help="the file with the SDKs' token")
    parser.add_argument("key")
    options = parser.parse_args()
    try:
        token = json.loads(options.secrets.read_text(encoding="utf-8"))["sdk"]
        problem = wrong_split(served_flag(options.url, token, options.key))
    except OSError as error:
        problem = f"Unleash does not give SDKs the flag {options.key} ({error})"
    print(problem or f"the split of {options.key} is valid")
    sys.exit(1 if problem else 0)


if __name__ == "__main__":
    main()
