"""What a page is told of a change, applied to what it had, is what the dashboard has."""

from hypothesis import given
from hypothesis import strategies as st

from console.dashboard.changes import Splice, changes

LINE = st.text(st.sampled_from("ab<é≥😀 "), max_size=12)
TEXT = st.lists(LINE, max_size=12).map("\n".join)


def applied(text: str, splices: list[Splice]) -> str:
    """As the page's script does it, which counts as a browser does."""
    lines = [line.encode("utf-16-le") for line in text.split("\n")]
    for splice in splices:
        match splice:
            case [int(place), int(head), int(tail), str(middle)]:
                line = lines[place]
                lines[place] = line[: 2 * head] + middle.encode("utf-16-le") + line[len(line) - 2 * tail :]
            case [int(first), int(end), *text_of]:
                lines[first:end] = [one.encode("utf-16-le") for text in text_of for one in str(text).split("\n")]
            case _:
                raise AssertionError(splice)
    return "\n".join(line.decode("utf-16-le") for line in lines)


@given(TEXT, TEXT)
def test_whatever_changes_is_there_afterwards(before: str, after: str) -> None:
    assert applied(before, changes(before, after)) == after


def test_a_little_change_is_a_little_to_send() -> None:
    page = [f"<li>line {number} of a long page</li>" for number in range(500)]
    assert changes("\n".join(page), "\n".join(page)) == []
    longer = [*page[:7], "<li>new</li>", *page[7:]]
    longer[300] = longer[300].replace("299", "now")
    assert changes("\n".join(page), "\n".join(longer)) == [[299, 9, 20, "now"], [7, 7, "<li>new</li>"]]
