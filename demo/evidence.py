"""What a project delivers before a release: test report, benchmark, reviews, documents and a backup, made now."""

import argparse
import json
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree as ET

from demo.batch_patches.patches import (
    KNOWN_REQUESTS,
    OPERATIONS,
    Patch,
    Request,
    apply_in_batch,
    apply_one_by_one,
    keeps_invariant,
    parse_request,
)

RANDOM_REQUESTS = 60
_FIELDS = tuple("abcdefgh")


def write_evidence(folder: Path, flags: bytes) -> None:
    """Write everything below `folder`, `flags` as the backup; tests and benchmark are run here and now."""
    reports, backups = folder / "reports", folder / "backups"
    for place in (reports, backups):
        place.mkdir(parents=True, exist_ok=True)
    (reports / "junit.xml").write_bytes(run_tests())
    _write_json(reports / "benchmark.json", measure())
    _write_json(reports / "reviews.json", reviews())
    (folder / "README.md").write_text(_README, encoding="utf-8")
    (folder / "API_REFERENCE.md").write_text(_API_REFERENCE, encoding="utf-8")
    # A copy of the one thing that the demo stores.
    (backups / f"flags-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json").write_bytes(flags)


def run_tests() -> bytes:
    """Hold the new path against the legacy one and against written-down answers; return the JUnit report."""
    suite = ET.Element("testsuite", name="batch-patches", timestamp=datetime.now(UTC).isoformat())
    failed = 0
    for name, passes in _cases():
        case = ET.SubElement(suite, "testcase", classname="demo.batch_patches.patches", name=name)
        started = time.perf_counter()
        if not passes():
            failed += 1
            ET.SubElement(case, "failure", message="the new path answers differently")
        case.set("time", f"{time.perf_counter() - started:.6f}")
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(failed))
    suite.set("errors", "0")
    report: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
    return report


def _cases() -> list[tuple[str, Callable[[], bool]]]:
    cases: list[tuple[str, Callable[[], bool]]] = []
    for known in KNOWN_REQUESTS:
        request = parse_request(cast(Any, known.body))
        cases.append((f"{known.id} in batch", lambda r=request, k=known: apply_in_batch(r).to_json() == k.answer))  # type: ignore[misc]
        cases.append((f"{known.id} one by one", lambda r=request, k=known: apply_one_by_one(r).to_json() == k.answer))  # type: ignore[misc]
    chance = random.Random(7)
    for number in range(RANDOM_REQUESTS):
        request = _random_request(chance, patches=1 + number)
        cases.append((f"random {number} equals legacy", lambda r=request: apply_in_batch(r) == apply_one_by_one(r)))  # type: ignore[misc]
        cases.append((f"random {number} keeps its fields", lambda r=request: keeps_invariant(r, apply_in_batch(r))))  # type: ignore[misc]
    return cases


def _random_request(chance: random.Random, patches: int) -> Request:
    document = {field: chance.choice(["x", 1, None]) for field in chance.sample(_FIELDS, 5)}
    made = tuple(
        Patch(op=chance.choice(OPERATIONS), field=chance.choice(_FIELDS), value=chance.choice(["y", "z"]))
        for _ in range(patches)
    )
    return Request(document=cast(Any, document), patches=made)


def measure(rounds: int = 20) -> dict[str, Any]:
    """How long the new path takes for 500 patches: the median of some rounds, in milliseconds."""
    request = _random_request(random.Random(500), patches=500)
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        apply_in_batch(request)
        taken.append((time.perf_counter() - started) * 1000)
    taken.sort()
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "batch_of_500_patches": {"milliseconds": round(taken[rounds // 2], 4), "rounds": rounds},
    }


def reviews() -> dict[str, Any]:
    """Reviews of an imagined change, in the form in which GitHub's command line exports them."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    entries = [("product", "COMMENTED"), ("oncall", "APPROVED"), ("security", "APPROVED")]
    return {
        "reviews": [
            {"author": {"login": who}, "state": state, "submittedAt": now, "body": ""} for who, state in entries
        ]
    }


def _write_json(path: Path, body: dict[str, Any]) -> None:
    path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


_README = """\
# batch-patches

Applies many patches to a JSON document. The legacy path applies them one by one; the new path works out the final
value of every touched field and changes the document once. The flag `batch-patches-v1` decides who gets which.
"""
_API_REFERENCE = """\
# API of batch-patches

- `POST /batch-patches`: a document and a list of patches (`set`, `remove`, `append`).
  The headers `x-user-id` and `x-user-group` say who asks.
- `GET /users/{user}?group=`: which path this user would get now.
- `GET /health`: whether the legacy path stands ready.
- `GET /metrics`: for Prometheus.
"""


def main() -> None:
    """Write the evidence anew."""
    parser = argparse.ArgumentParser(prog="python -m demo.evidence", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--flags", type=Path, required=True, help="flagd flag file to back up")
    options = parser.parse_args()
    write_evidence(options.folder, options.flags.read_bytes())


if __name__ == "__main__":
    main()
