"""Every order of the protocol's steps, with a crash, a lost lease, a hold, an older flag and a zero between any two."""

import pytest

from tests.protocol.model import Rules, search


def test_no_order_of_steps_breaks_a_promise() -> None:
    states, broken = search(Rules())
    assert broken == {}
    assert states > 10_000, "the search is whole only if it went everywhere"


@pytest.mark.parametrize(
    ("rules", "race", "steps"),
    [
        (Rules(fence=False), "zero did not stay zero", ("zero is written", "writes the flag")),
        (Rules(zero_raises_epoch=False), "zero did not stay zero", ("zero is written", "writes the flag")),
        (
            Rules(permit=False),
            "raised although people were told that it is held",
            ("somebody says hold", "writes the flag", "records the raise"),
        ),
        (
            Rules(taker_never_raises=False),
            "a taker raised the flag",
            ("somebody puts an older flag back", "re-writes what stands there"),
        ),
    ],
)
def test_a_guard_that_is_taken_out_lets_its_race_through(rules: Rules, race: str, steps: tuple[str, ...]) -> None:
    """Each guard is needed, and the search would see it if it were gone: it finds the shortest way to the harm."""
    _, broken = search(rules)
    assert race in broken
    way = " > ".join(broken[race])
    assert [step for step in steps if step in way] == list(steps), way
