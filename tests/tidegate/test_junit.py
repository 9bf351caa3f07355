"""JUnit reports: what counts as passed, and what is no report."""

from datetime import UTC, datetime

import pytest

from tidegate.checklist.junit import instant, read_junit

CASES = '<testcase name="a"/><testcase name="b"/>'


@pytest.mark.parametrize(
    ("xml", "counts"),
    [
        (f"<testsuite>{CASES}</testsuite>", (2, 0, 0)),
        (f"<testsuites><testsuite>{CASES}</testsuite><testsuite>{CASES}</testsuite></testsuites>", (4, 0, 0)),
        ("<testsuites/>", (0, 0, 0)),
        (f'<testsuite>{CASES}<testcase name="c"><failure/></testcase></testsuite>', (2, 1, 0)),
        (f'<testsuite>{CASES}<testcase name="c"><error/><failure/></testcase></testsuite>', (2, 1, 0)),
        (f'<testsuite>{CASES}<testcase name="c"><skipped/></testcase></testsuite>', (2, 0, 1)),
        ("<testsuite><testcase><skipped/><failure/></testcase></testsuite>", (0, 1, 0)),
        # The suite broke before any of its tests, and says so in its numbers only.
        (f'<testsuite errors="1">{CASES}</testsuite>', (2, 1, 0)),
        (f'<testsuites failures="1"><testsuite failures="1">{CASES}</testsuite></testsuites>', (2, 1, 0)),
        ('<testsuite failures="1"><testcase><failure/></testcase></testsuite>', (0, 1, 0)),
        ('<testsuites><testsuite errors="2"/><testsuite failures="1"/></testsuites>', (0, 3, 0)),
    ],
)
def test_what_passed_failed_and_was_skipped(xml: str, counts: tuple[int, int, int]) -> None:
    report = read_junit(xml.encode())
    assert (report.passed, report.failed, report.skipped) == counts


def test_the_oldest_suite_gives_the_age() -> None:
    xml = b'<testsuites><testsuite timestamp="2026-03-02T10:00:00"/><testsuite timestamp="2026-03-01T10:00:00+02:00"/></testsuites>'
    assert read_junit(xml).made == datetime(2026, 3, 1, 8, tzinfo=UTC)
    assert read_junit(b"<testsuite/>").made is None


BOMB = '<!DOCTYPE a [<!ENTITY a "b">]><testsuite>&a;</testsuite>'


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no plain XML"),
        (b"PK\x03\x04", "no plain XML"),
        (b"<html></html>", "found <html>"),
        (b"<testsuite>", "no plain XML"),
        (BOMB.encode(), "document type"),
        (BOMB.encode("utf-16"), "document type"),
        (b'<testsuite errors="many"/>', "allowed is a whole number"),
        (b'<testsuite timestamp="yesterday"/>', "allowed is an instant"),
        (b'<?xml version="1.0" encoding="no-such"?><testsuite/>', "no plain XML"),
    ],
)
def test_what_is_no_report_is_told(data: bytes, words: str) -> None:
    with pytest.raises(ValueError) as raised:
        read_junit(data)
    assert words in str(raised.value)


@pytest.mark.parametrize("found", [True, None, [], "soon", "", 1e300, float("nan"), float("inf")])
def test_what_is_no_instant_is_refused(found: object) -> None:
    with pytest.raises(ValueError, match="allowed is an instant"):
        instant(found)


def test_instants() -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    for written in ("2026-03-02T12:00:00Z", " 2026-03-02T14:00+02:00", "2026-03-02 12:00", noon.timestamp()):
        assert instant(written) == noon
