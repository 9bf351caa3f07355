"""JSON pointers: RFC 6901's own examples, what is not there, and what is no pointer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.values.json_pointer import at_pointer

RFC = {
    "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6, " ": 7, "m~n": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", RFC), ("/foo", ["bar", "baz"]), ("/foo/0", "bar"), ("/", 0), ("/a~1b", 1), ("/c%d", 2), ("/e^f", 3),
        ("/g|h", 4), ("/i\\j", 5), ('/k"l', 6), ("/ ", 7), ("/m~0n", 8),
    ],
)  # fmt: skip
def test_the_examples_of_the_standard(pointer: str, value: Any) -> None:
    assert at_pointer(RFC, pointer) == value


def test_a_tilde_before_a_one_is_read_in_the_right_order() -> None:
    assert at_pointer({"~1": "yes", "/": "no"}, "/~01") == "yes"


@pytest.mark.parametrize(
    ("document", "pointer", "words"),
    [
        ({"a": {}}, "/a/b", "/a has no 'b'"),
        ({}, "/a", "the document has no 'a'"),
        ({"a": [1, 2]}, "/a/2", "/a is a list of 2 without the place '2'"),
        ({"a": [1, 2]}, "/a/-", "without the place '-'"),
        ({"a": [1, 2]}, "/a/-1", "without the place '-1'"),
        ({"a": [1, 2]}, "/a/01", "without the place '01'"),
        ({"a": [1, 2]}, "/a/१", "without the place"),
        ({"a": [1, 2]}, "/a/" + "9" * 5000, "without the place"),
        ({"a": None}, "/a/b", "/a holds nothing"),
        ({"a": "text"}, "/a/0", "/a holds a text"),
        ({"a": True}, "/a/0", "/a holds a switch"),
        (3, "/a", "the document holds a number"),
        ({"a": 1}, "a", "allowed is a JSON pointer"),
        ({"a": 1}, "/a~", "allowed is a JSON pointer"),
        ({"a": 1}, "/a~2", "allowed is a JSON pointer"),
    ],
)
def test_what_is_not_there_is_told_in_a_sentence(document: Any, pointer: str, words: str) -> None:
    with pytest.raises(LookupError) as raised:
        at_pointer(document, pointer)
    assert words in str(raised.value)


keys = st.text(max_size=5)


@given(st.lists(keys, max_size=5), st.integers())
def test_every_key_can_be_pointed_at(path: list[str], value: int) -> None:
    document: Any = value
    for key in reversed(path):
        document = {key: document}
    pointer = "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in path)
    assert at_pointer(document, pointer) == value


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | keys, lambda x: st.lists(x) | st.dictionaries(keys, x)),
    st.text(max_size=12),
)
def test_nothing_but_a_lookup_error_is_raised(document: Any, pointer: str) -> None:
    try:
        at_pointer(document, pointer)
    except LookupError as error:
        assert str(error)
