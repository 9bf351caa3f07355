"""Whether every metric had a value in the wave's reviews; answered by the journal alone."""

from tidegate.criteria.history_kinds import Coverage
from tidegate.criteria.threshold import on_dry_run
from tidegate.journal.state import WaveRecord
from tidegate.plan.model import Plan
from tidegate.values.units import format_percent
from tidegate.values.verdict import Finding, Verdict

_REVIEWS_NEEDED = 4


def judge_coverage(id_: str, item: Coverage, plan: Plan, record: WaveRecord | None) -> Finding:
    """The metric that was there least often decides."""
    words = f"at least {format_percent(item.at_least)}"
    looked = 0 if record is None else record.looked
    if record is None or looked < _REVIEWS_NEEDED:
        sentence = f"{looked} reviews so far, {_REVIEWS_NEEDED} are needed."
        finding = Finding(id_, item.text, Verdict.INCONCLUSIVE, sentence, None, words, float(looked))
        return on_dry_run(item, finding)
    shares = {name: 100 * record.reported.get(name, 0) / looked for name in item.metrics or plan.metrics}
    worst = min(shares, key=lambda name: shares[name])
    lacking = [f"{plan.metrics[name].title} in {share:.1f}%" for name, share in shares.items() if share < item.at_least]
    if lacking:
        sentence = f"Of {looked} reviews a value was there of {', '.join(lacking)}; must be {words}."
    else:
        least = f"{plan.metrics[worst].title} had one in {shares[worst]:.1f}%"
        sentence = f"All {len(shares)} metrics had a value in {words} of {looked} reviews ({least})."
    verdict = Verdict.FAIL if lacking else Verdict.PASS
    return on_dry_run(item, Finding(id_, item.text, verdict, sentence, shares[worst], words, float(looked)))
