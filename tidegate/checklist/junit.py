"""JUnit reports: what was run, and how it ended."""

from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

_BAD = ("failure", "error")


@dataclass(frozen=True, slots=True)
class JunitReport:
    """The tests of one report, and when the report says it was made (the oldest of its suites)."""

    passed: int
    failed: int
    skipped: int
    made: datetime | None


class _PlainBuilder(ET.TreeBuilder):
    """Refuses a document type, without which XML can neither multiply nor fetch anything."""

    def doctype(self, name: str, pubid: str, system: str) -> None:  # noqa: ARG002 - the parser's names
        """Called before the document type is read."""
        raise ValueError("found a document type, allowed is a plain JUnit report")


def read_junit(data: bytes) -> JunitReport:
    """The report in `data`; raises ValueError with a plain sentence for anything else."""
    try:
        root = ET.fromstring(data, ET.XMLParser(target=_PlainBuilder()))  # noqa: S314 - refuses what could be an attack
    except (ET.ParseError, ValueError, LookupError) as error:
        raise ValueError(f"this is no plain XML ({error})") from None
    if root.tag not in ("testsuites", "testsuite"):
        raise ValueError(f"found <{root.tag}>, allowed is a JUnit report (<testsuites> or <testsuite>)")
    cases = list(root.iter("testcase"))
    failed = sum(any(case.find(word) is not None for word in _BAD) for case in cases)
    skipped = sum(case.find("skipped") is not None and all(case.find(word) is None for word in _BAD) for case in cases)
    # A suite that broke before its tests says so in its numbers only; the worse of both counts.
    lost = max(_said(root) - failed, 0)
    passed = max(len(cases) - failed - skipped, 0)
    return JunitReport(passed, failed + lost, skipped, _made(root))


def _said(root: ET.Element) -> int:
    """The failures and errors in the suites' own numbers; outer suites repeat the inner ones' sum."""
    below = sum(_said(child) for child in root if child.tag == "testsuite")
    return max(sum(_number(root.get(f"{word}s")) for word in _BAD), below)


def _number(text: str | None) -> int:
    try:
        return int(text or 0)
    except ValueError:
        raise ValueError(f"found {text!r} as a number of tests, allowed is a whole number") from None


def _made(root: ET.Element) -> datetime | None:
    stamps = [suite.get("timestamp") for suite in root.iter() if suite.tag in ("testsuites", "testsuite")]
    instants = [instant(stamp) for stamp in stamps if stamp]
    return min(instants) if instants else None


def instant(text: object) -> datetime:
    """The instant written in ISO 8601 (UTC where no zone is said) or in Unix seconds; raises ValueError."""
    try:
        match text:
            case bool():
                pass
            case str():
                found = datetime.fromisoformat(text.strip())
                return found if found.tzinfo else found.replace(tzinfo=UTC)
            case int() | float():
                return datetime.fromtimestamp(text, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise ValueError(f"found {str(text)[:60]!r}, allowed is an instant such as 2026-03-02T17:00:00Z")
