"""How counts on two paths become findings: harm, safety, and the split of users."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tidegate.criteria.comparison_kinds import GoEvidence, Inference, SampleRatio, VersusControl
from tidegate.criteria.threshold import no_data_words, on_dry_run
from tidegate.statistics.cohorts import ASSUMED, Cohorts, cohorts_of
from tidegate.statistics.evidence_curves import curve_of, mean_curve
from tidegate.statistics.sample_ratio_test import log_sample_ratio
from tidegate.statistics.sequential import (
    HARM,
    HOUR,
    Counts,
    WaveCounts,
    bound,
    go_question,
    log_mixture,
)
from tidegate.values.samples import NoData
from tidegate.values.units import format_percent
from tidegate.values.verdict import Finding, Verdict

MOST_BOUNDS = 8
NOTHING_YET = "no tick with requests on both sides yet"
RARELY, OFTEN = 0.002, 0.30  # of the day's requests: bounds between are worth watching


Stays = Sequence[tuple[int, datetime]]  # every wave entered, and when, steps back included


@dataclass(frozen=True, slots=True)
class Counted:
    """All raw counts of one thing by stay in a wave, and why the newest could not be had, or None."""

    what: str
    waves: tuple[WaveCounts, ...]
    trouble: NoData | None = None
    noun: str = "errors"
    measured: bool = True  # whether the day before told how the cohorts compare, in each wave

    @property
    def rows(self) -> list[Counts]:
        """The rows of all waves in order of time that have both sides."""
        return sorted(row for wave in self.waves for row in wave.rows if row.has_both)


def counted_of(
    what: str,
    noun: str,
    rows: Mapping[int, Mapping[float, Counts]],
    before: Mapping[int, Mapping[float, Counts]],
    stays: Stays,
    trouble: NoData | None = None,
) -> Counted:
    """What is known of each stay in a wave, and of the day before it: as a tick judges it, and who explains it later.

    A step back leads to a wave a second time, whose new counts come after those of the later wave.
    """
    waves, measured = [], True
    begins = [since.timestamp() for _, since in stays]
    for (number, _), since, until in zip(stays, begins, [*begins[1:], math.inf], strict=True):
        found = tuple(row for row in rows.get(number, {}).values() if since < row.end <= until)
        if not found:
            continue
        cohorts = cohorts_of(before.get(number, {}).values()) or ASSUMED
        measured &= cohorts.measured
        waves.append(WaveCounts(cohorts, found))
    return Counted(what, tuple(waves), trouble, noun, measured)


def of_present_stay(counted: Counted, stays: Stays) -> Counted:
    """What was counted since the wave was entered last; what came before had other shares."""
    since = stays[-1][1].timestamp() if stays else -math.inf
    present = tuple(wave for wave in counted.waves[-1:] if all(row.end > since for row in wave.rows))
    return replace(counted, waves=present)


def judge_versus_control(id_: str, item: VersusControl, counted: Sequence[Counted]) -> Finding:
    """Evidence of harm: sticky once shown; too small to matter it holds instead of rolling back."""
    needed = bound(item.alpha / 100)
    if finding := _without_counts(id_, item, counted, needed):
        return finding
    curve = mean_curve(tuple(one.waves for one in counted), HARM)
    at, peak = max(curve, key=lambda point: point[1])
    worst = max(counted, key=lambda one: max((e for end, e in curve_of(one.waves, HARM) if end <= at), default=0.0))
    shown = peak >= needed
    rows = [row for row in worst.rows if row.end <= at] if shown else worst.rows
    rows = list(_since_onset(rows)) if shown else rows
    ratio, points, sums = _compared(rows, worst.waves[-1].cohorts)
    much = _much(worst, ratio, sums)
    material = points >= item.at_least
    if shown:
        sentence = f"{much}; the odds that a healthy release ever shows this are below 1 in {100 / item.alpha:.0f}"
        small = f". {points:.2g} percentage points are too few to roll back (under {format_percent(item.at_least)})"
        sentence += "." if material else f"{small}."
    else:
        sentence = f"{much}; evidence of harm {curve[-1][1]:.1f} of {needed:.1f}."
    verdict = Verdict.FAIL if shown and material else Verdict.INCONCLUSIVE if shown else Verdict.PASS
    log_e = peak if shown else curve[-1][1]
    finding = _found(id_, item, verdict, _guessed(sentence, counted), log_e, needed, sums[1])
    return on_dry_run(item, replace(finding, required=shown))


def judge_no_bound(id_: str, item: VersusControl) -> Finding:
    """No bound tells anything: nearly all requests were slower than it on the day before, or nearly none."""
    shares = f"{100 * RARELY:g} to {format_percent(100 * OFTEN)}"
    sentence = (
        f"Nothing is compared: none of the bounds ({', '.join(item.bounds)}) had {shares} slower requests on the day "
        "before the first wave."
    )
    limit = f"log evidence {bound(item.alpha / 100):.2f}"
    return on_dry_run(item, Finding(id_, item.text, Verdict.INCONCLUSIVE, sentence, bound=limit, query=item.kind))


def judge_go_evidence(id_: str, item: GoEvidence, counted: Counted) -> Finding:
    """Whether safety has been shown by now; judged afresh at each look, and never a FAIL."""
    needed = bound(item.alpha / 100)
    if finding := _without_counts(id_, item, [counted], needed):
        return finding
    log_e = curve_of(counted.waves, go_question(item.worse_than))[-1][1]
    shown = log_e >= needed
    ratio, _, sums = _compared(counted.rows, counted.waves[-1].cohorts)
    state = "shown" if shown else "not shown yet"
    safe = f"{state} to be less than {item.worse_than:g} times as bad (evidence {log_e:.1f} of {needed:.1f})"
    sentence = _guessed(f"{_much(counted, ratio, sums)}; {safe}.", [counted])
    verdict = Verdict.PASS if shown else Verdict.INCONCLUSIVE
    return on_dry_run(item, _found(id_, item, verdict, sentence, log_e, needed, sums[1]))


def judge_sample_ratio(id_: str, item: SampleRatio, counted: Counted, percent: float) -> Finding:
    """Whether the present stay's users arrived in the planned shares, at each tick: a wrong split stays wrong."""
    needed = bound(item.alpha / 100)
    if finding := _without_counts(id_, item, [counted], needed):
        return finding
    new = old = 0.0
    peak = log_e = -math.inf
    for row in sorted(counted.waves[-1].rows):
        new, old = new + row.n_canary, old + row.n_control
        log_e = log_sample_ratio((new, old), (percent, 100 - percent))
        peak = max(peak, log_e)
    verdict = Verdict.FAIL if peak >= needed else Verdict.PASS
    asked = format_percent(percent)
    sentence = f"{100 * new / (new + old):.2f}% of {new + old:,.0f} users came to the new path, {asked} was asked"
    if verdict is Verdict.FAIL:
        odds = f"the odds that a right split ever shows this are below 1 in {100 / item.alpha:.0f}"
        sentence += f" (sample ratio mismatch): {odds}. Who is compared is not who was meant, so the wave is held"
    sentence += "."
    return on_dry_run(item, _found(id_, item, verdict, sentence, peak, needed, new + old))


def stays(finding: Finding) -> bool:
    """Whether this is evidence that holds the wave and never clears by itself, so that people must act."""
    split = finding.query == "sample_ratio" and finding.verdict is Verdict.FAIL
    small = finding.query == "versus_control" and finding.verdict is Verdict.INCONCLUSIVE and finding.required
    return split or small


def watched(counted: Sequence[Counted], day: Sequence[Sequence[Counts]]) -> list[Counted]:
    """The bounds that between 0.2 % and 30 % of the day's requests were slower than, at most eight, spread evenly."""
    shares = [
        sum(r.bad_canary + r.bad_control for r in rows) / max(sum(r.n_canary + r.n_control for r in rows), 1)
        for rows in day
    ]
    fit = [one for one, share in zip(counted, shares, strict=True) if RARELY <= share <= OFTEN]
    if len(fit) <= MOST_BOUNDS:
        return fit
    return [fit[round(place * (len(fit) - 1) / (MOST_BOUNDS - 1))] for place in range(MOST_BOUNDS)]


def _since_onset(rows: Sequence[Counts]) -> Sequence[Counts]:
    """The rows since the hour at which harm most likely set in."""
    starts = sorted({math.floor((row.end - rows[0].end) / HOUR) for row in rows})
    suffixes = [[row for row in rows if row.end >= rows[0].end + HOUR * start] for start in starts]
    return max(suffixes, key=lambda found: log_mixture(found, HARM))


def _compared(rows: Sequence[Counts], cohorts: Cohorts) -> tuple[str, float, tuple[float, float, float, float]]:
    bad_c, n_c, bad_t, n_t = (sum(column) for column in list(zip(*rows, strict=True))[1:])
    expected = math.exp(cohorts.lr) * bad_t / n_t
    ratio = f"{bad_c / n_c / expected:.2g} times as many" if expected else "" if bad_c else "as many"
    return ratio, 100 * (bad_c / n_c - expected), (bad_c, n_c, bad_t, n_t)


def _much(counted: Counted, ratio: str, sums: tuple[float, float, float, float]) -> str:
    bad_c, n_c, bad_t, n_t = sums
    counts = f"({counted.what}: {bad_c:,.0f} of {n_c:,.0f} against {bad_t:,.0f} of {n_t:,.0f})"
    if not ratio:
        return f"At the new path are {counted.noun}, beside it none {counts}"
    return f"At the new path {ratio} {counted.noun} as beside it {counts}"


def _guessed(sentence: str, counted: Sequence[Counted]) -> str:
    if all(one.measured for one in counted):
        return sentence
    return f"{sentence} How the cohorts compared before is not measured; they are taken to be alike."


def _found(
    id_: str, item: Inference, verdict: Verdict, sentence: str, log_e: float, needed: float, n: float
) -> Finding:
    return Finding(id_, item.text, verdict, sentence, log_e, f"log evidence {needed:.2f}", n, item.kind)


def _without_counts(id_: str, item: Inference, counted: Sequence[Counted], needed: float) -> Finding | None:
    """What is said while there is nothing to compare, or the newest counts cannot be had; None otherwise.

    Harm that was shown stays shown, so blindness does not hide it.
    """
    blind = next((one.trouble for one in counted if one.trouble is not None and one.trouble.reason.is_blindness), None)
    compared = bool(counted) and all(one.rows for one in counted)
    if isinstance(item, VersusControl) and compared:
        curve = mean_curve(tuple(one.waves for one in counted), HARM)
        if max(log_e for _, log_e in curve) >= needed:
            return None
    if blind is None and compared:
        return None
    return unmeasured(id_, item, counted, f"log evidence {needed:.2f}")


def unmeasured(id_: str, item: Inference, counted: Sequence[Counted], limit: str, none: str = NOTHING_YET) -> Finding:
    """What is said where there are no counts to judge: why the newest cannot be had, or that there are none."""
    trouble = next((one.trouble for one in counted if one.trouble is not None), None)
    blind = trouble is not None and trouble.reason.is_blindness
    why = no_data_words(trouble) if trouble is not None else none
    verdict = Verdict.ERROR if blind else Verdict.INCONCLUSIVE
    return on_dry_run(item, Finding(id_, item.text, verdict, f"No counts: {why}.", bound=limit, query=item.kind))
