"""What the workers begin with is there."""

from tests.longest_first import LONGEST_FIRST, ROOT, rank


def test_every_file_that_workers_begin_with_is_there_and_comes_in_this_order() -> None:
    assert [file for file in LONGEST_FIRST if not (ROOT / file).is_file()] == []
    assert [rank(ROOT / file) for file in LONGEST_FIRST] == list(range(len(LONGEST_FIRST)))
    assert rank(ROOT / "tests/console/test_longest_first.py") == len(LONGEST_FIRST)
