"""Verify the checklist: a task run for each thing that preflight looks at, side by side."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from engine.preflight.checks import Check, run_check
from tidegate.pages.tables import one_line
from tidegate.values.verdict import Finding, Verdict

_SHOWN = 80


class _Item:
    """One check, and what it found; opaque to Prefect."""

    def __init__(self, check: Check) -> None:
        self.check, self.finding = check, Finding(check.name, check.text, Verdict.ERROR, "It was not looked at.")
        text = one_line(check.text)
        self.name = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."

    def __repr__(self) -> str:
        return self.name


def verify_checklist(checks: tuple[Check, ...]) -> tuple[Finding, ...]:
    """Every check's finding, in the order given; one that no task run came to is an ERROR."""
    items = [_Item(check) for check in checks]
    for future in [verify_item.submit(item) for item in items]:
        future.wait()
    return tuple(item.finding for item in items)


@task(
    name="verify item",
    task_run_name="verify: {item.name}",
    description="Look at one thing that has to be right before wave 1; failed where its proof fails.",
    tags={"preflight"},
    retries=0,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def verify_item(item: _Item) -> State:
    """What was found, in a sentence."""
    item.finding = finding = run_check(item.check)
    message = f"{finding.verdict.value}. {finding.sentence}"
    if finding.verdict.allows:
        return Completed(message=message)
    return Failed(name=finding.verdict.value.title(), message=message)
