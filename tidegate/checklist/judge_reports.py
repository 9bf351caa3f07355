"""Judging what was delivered: reports, exports, measured numbers, documents and backups. Evidence in, finding out."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tidegate.checklist.deliverables import BackupProof, BaseProof, BenchmarkProof, FilesProof, JunitProof, ReviewsProof
from tidegate.checklist.junit import JunitReport, instant, read_junit
from tidegate.values.json_pointer import at_pointer
from tidegate.values.units import Unit, format_duration, quantity_in
from tidegate.values.verdict import Finding, Verdict

# Clocks differ, and reports leave their time zone unsaid.
_SKEW = timedelta(hours=15)


@dataclass(frozen=True, slots=True)
class Content:
    """What was read: where from, and when that was last changed, if it is a file."""

    where: str
    data: bytes
    changed: datetime | None = None


@dataclass(frozen=True, slots=True)
class NoContent:
    """Nothing could be read: where from, and why. `broken` where the look itself failed."""

    where: str
    why: str
    broken: bool = False


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file that is there."""

    size: int
    changed: datetime


def found(item: BaseProof, verdict: Verdict, sentence: str, **more: Any) -> Finding:
    """The finding on this line; whoever shows it knows its place in the plan."""
    return Finding("", item.text, verdict, sentence, **more)


def judge_junit(item: JunitProof, reports: Mapping[str, Content | NoContent], now: datetime) -> Finding:
    """Enough tests passed, all that ran as the plan asks, and the oldest report is young enough."""
    read: list[JunitReport] = []
    for path in item.report:
        content = reports.get(path, NoContent(path, "was not read", broken=True))
        if isinstance(content, NoContent):
            return _no_content(item, content, "Run the tests and deliver their JUnit report there")
        try:
            report = read_junit(content.data)
        except ValueError as error:
            return found(item, Verdict.ERROR, f"{path}: {error}.")
        if old := too_old(report.made or content.changed, item.fresh, now):
            return found(item, Verdict.INCONCLUSIVE, f"{path} {old}: run the tests again.")
        read.append(report)
    passed, failed, skipped = (sum(getattr(r, word) for r in read) for word in ("passed", "failed", "skipped"))
    ran = passed + failed
    share = 100 * passed / ran if ran else math.nan
    words = f"{passed} passed, {failed} failed, {skipped} skipped in {', '.join(item.report)}"
    bound = f"at least {item.at_least} and {item.passed:g}% passed"
    good = passed >= item.at_least and share >= item.passed
    advice = "" if good else f" Allowed is {bound}: mend the tests and deliver a new report."
    verdict = Verdict.PASS if good else Verdict.FAIL
    observed = None if math.isnan(share) else share
    return found(item, verdict, f"{words}.{advice}", observed=observed, bound=bound, n=float(ran))


def judge_reviews(item: ReviewsProof, content: Content | NoContent, now: datetime) -> Finding:
    """Enough different people approved; of one person's entries the last one counts."""
    advice = "Export the reviews of the change there"
    if isinstance(content, NoContent):
        return _no_content(item, content, advice)
    if item.fresh is not None and (old := too_old(content.changed, item.fresh, now)):
        return found(item, Verdict.INCONCLUSIVE, f"{content.where} {old}: export the reviews again.")
    try:
        approvals, who = _approvals(item, at_pointer(_json(content), item.at))
    except (ValueError, LookupError) as error:
        return found(item, Verdict.ERROR, f"{content.where}: {error}.")
    bound, names = f"at least {item.at_least}", f" ({', '.join(who)})" if who else ""
    if approvals >= item.at_least:
        return found(item, Verdict.PASS, f"{approvals} approvals{names}.", observed=float(approvals), bound=bound)
    sentence = f"{approvals} approvals{names}, allowed is {bound}: ask for more reviews, then export them again."
    return found(item, Verdict.FAIL, sentence, observed=float(approvals), bound=bound)


def _approvals(item: ReviewsProof, value: Any) -> tuple[int, tuple[str, ...]]:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value, ()
    if not isinstance(value, list):
        raise ValueError(f"found {str(value)[:60]!r} at {item.at or 'the top'}, allowed is a count or a list")
    last: dict[str, bool] = {}
    for entry in value:
        person = entry if item.by is None else at_pointer(entry, item.by)
        if not isinstance(person, str) or not person.strip():
            raise ValueError(f"found {str(person)[:60]!r} as a reviewer, allowed is a name")
        last[person.strip().lower()] = item.state is None or at_pointer(entry, item.state) == item.approved
    who = tuple(person for person, approved in last.items() if approved)
    return len(who), who


def judge_benchmark(item: BenchmarkProof, content: Content | NoContent, now: datetime) -> Finding:
    """The measured number is finite, young enough and within its bound."""
    if isinstance(content, NoContent):
        return _no_content(item, content, "Measure, and deliver the result there")
    try:
        document = _json(content)
        value = at_pointer(document, item.at)
        measured = content.changed if item.measured is None else instant(at_pointer(document, item.measured))
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"found {str(value)[:60]!r} at {item.at or 'the top'}, allowed is a number")
        value = float(value)
    except (ValueError, LookupError, OverflowError) as error:
        return found(item, Verdict.ERROR, f"{content.where}: {error}.")
    if old := too_old(measured, item.fresh, now):
        return found(item, Verdict.INCONCLUSIVE, f"{content.where} {old}: measure again.")
    good, words, bound = within(value, item.below, item.above, item.unit)
    if good is None:
        return found(item, Verdict.INCONCLUSIVE, f"{content.where}: {words}: measure again.", bound=bound)
    advice = "" if good else f", allowed is {bound}: find out what became slower before anybody gets it"
    verdict = Verdict.PASS if good else Verdict.FAIL
    return found(item, verdict, f"Measured {words}{advice}.", observed=value, bound=bound)


def within(value: float, below: str | None, above: str | None, unit: Unit) -> tuple[bool | None, str, str]:
    """Whether the value is within its bound (None where it is no number), the value in words, and the bound."""
    limit = quantity_in(above if above is not None else below or "", unit)
    bound = f"{'above' if above is not None else 'below'} {unit.format(limit)}"
    if not math.isfinite(value):
        return None, f"found {value}, which is no measured value", bound
    return (value > limit if above is not None else value < limit), unit.format(value), bound


def judge_files(item: FilesProof, files: Mapping[str, FileFacts | None], now: datetime) -> Finding:
    """Every file is there, has content, and is young enough where that is asked."""
    wrong, old = [], []
    for path in item.paths:
        facts = files.get(path)
        if facts is None:
            wrong.append(f"{path} is not there")
        elif facts.size < 1:
            wrong.append(f"{path} is empty")
        elif item.fresh is not None and (words := too_old(facts.changed, item.fresh, now)):
            old.append(f"{path} {words}")
    if wrong:
        return found(item, Verdict.FAIL, f"{'; '.join(wrong)}: write it and deliver it there.")
    if old:
        return found(item, Verdict.INCONCLUSIVE, f"{'; '.join(old)}: bring it up to date.")
    sizes = (f"{path} ({facts.size:,} bytes)" for path in item.paths if (facts := files.get(path)) is not None)
    return found(item, Verdict.PASS, f"There: {', '.join(sizes)}.")


def judge_backup(item: BackupProof, content: Content | NoContent, now: datetime) -> Finding:
    """The newest backup is younger than its bound."""
    if isinstance(content, NoContent):
        return _no_content(item, content, "Make a backup and see that the next ones are made by themselves")
    try:
        made = content.changed if item.folder is not None else instant(at_pointer(_json(content), item.at))
    except (ValueError, LookupError) as error:
        return found(item, Verdict.ERROR, f"{content.where}: {error}.")
    bound = f"younger than {format_duration(item.fresh)}"
    if old := too_old(made, item.fresh, now):
        return found(item, Verdict.FAIL, f"The newest backup ({content.where}) {old}: mend the backups.", bound=bound)
    at = f"{made:%Y-%m-%d %H:%M} UTC" if made else "?"
    return found(item, Verdict.PASS, f"The newest backup is of {at} ({content.where}).", bound=bound)


def too_old(made: datetime | None, fresh: timedelta, now: datetime) -> str:
    """What is wrong with the age of evidence, or empty."""
    if made is None:
        return "does not say when it was made"
    if made - now > _SKEW:
        return f"says it was made in the future ({made:%Y-%m-%d %H:%M})"
    if now - made > fresh:
        return f"is of {made:%Y-%m-%d %H:%M}, older than {format_duration(fresh)}"
    return ""


def _no_content(item: BaseProof, content: NoContent, advice: str) -> Finding:
    verdict = Verdict.ERROR if content.broken else Verdict.INCONCLUSIVE
    return found(item, verdict, f"{content.where} {content.why}. {advice}.")


def _json(content: Content) -> Any:
    try:
        return json.loads(content.data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"this is no JSON ({type(error).__name__})") from None
