"""One flag's text is changed in a flag file, and every other byte stays, whoever wrote the file and however."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.flags.flagd.flagd_rules import define, define_zero, recognise
from blocks.flags.flagd.flagd_source import EMPTY, FlagdSource, NotAFlagFile
from tests.blocks.flag_files import FLAG, everyone
from tidegate.values.exposure import ZERO

_SPACES = st.text(alphabet=" \t\n\r", max_size=3)
# As people and programs write numbers and texts: kept, they must not become what Python would write.
_NUMBERS = st.sampled_from(
    ["0", "-0", "1.10", "1e2", "1E+2", "12345678901234567890123", "1e400", "0.10000000000000000001"]
)
_TEXTS = st.one_of(
    st.text(alphabet='aä☃😀"\\/{}[]:, \n', max_size=5).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.sampled_from(['"\\ud83d"', '"\\ud83d\\ude00"', '"\\u0041"', '"}"', '"\\"{["', '"\\\\"', '"ä\\/b"']),
)


@st.composite
def sources(draw: st.DrawFn, depth: int = 1) -> str:
    """The text of any JSON value, in any layout, names twice included."""
    kind = draw(st.sampled_from(["number", "text", "word", "list", "object"] if depth else ["number", "text", "word"]))
    match kind:
        case "number":
            return draw(_NUMBERS)
        case "text":
            return draw(_TEXTS)
        case "word":
            return draw(st.sampled_from(["true", "false", "null"]))
        case "list":
            parts = draw(st.lists(sources(depth=depth - 1), max_size=3))
            return "[" + ",".join(f"{draw(_SPACES)}{part}{draw(_SPACES)}" for part in parts) + "]"
        case _:
            return draw(objects(sources(depth=depth - 1)))


@st.composite
def objects(draw: st.DrawFn, values: st.SearchStrategy[str], extra: tuple[tuple[str, str], ...] = ()) -> str:
    """The text of an object with these values, and what else shall be in it, anywhere."""
    members = [(draw(_TEXTS), draw(values)) for _ in range(draw(st.integers(0, 3)))]
    for member in extra:
        members.insert(draw(st.integers(0, len(members))), member)
    spaced = (f"{draw(_SPACES)}{name}{draw(_SPACES)}:{draw(_SPACES)}{value}{draw(_SPACES)}" for name, value in members)
    return "{" + ",".join(spaced) + "}"


@st.composite
def files(draw: st.DrawFn) -> tuple[str, str, str]:
    """A flag file with our flag somewhere in it: what stands before its definition, the definition, what stands behind."""
    ours = "<OUR FLAG'S DEFINITION>"
    flags = draw(objects(objects(sources()), ((f'"{FLAG}"', ours),)))
    text = draw(objects(sources(), (('"flags"', flags),)))
    before, after = text.split(ours)
    definition = draw(st.one_of(objects(sources()), st.just(json.dumps(define(everyone(10), 3, {})))))
    return draw(_SPACES) + before, definition, after + draw(_SPACES)


@given(files())
def test_every_byte_outside_of_our_flag_stays(found: tuple[str, str, str]) -> None:
    before, definition, after = found
    source = FlagdSource.parse(f"{before}{definition}{after}".encode())
    [seen] = source.definitions(FLAG)
    wanted = define_zero(seen, 7)
    for written in (source.with_flag(FLAG, wanted), source.in_place(FLAG, wanted)):
        text = written.decode()
        assert text.startswith(before)
        assert text.endswith(after)
        assert json.loads(text[len(before) : len(text) - len(after)]) == wanted
        assert FlagdSource.parse(written).definitions(FLAG) == [wanted]


@given(files())
def test_in_place_the_length_stays_wherever_it_can(found: tuple[str, str, str]) -> None:
    before, definition, after = found
    content = f"{before}{definition}{after}".encode()
    source = FlagdSource.parse(content)
    wanted = define_zero(source.definitions(FLAG)[0], 7)
    shortest = len(json.dumps(wanted, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))
    if shortest <= len(definition.encode()):
        assert len(source.in_place(FLAG, wanted)) == len(content)


@given(st.data())
def test_a_flag_is_added_and_nothing_else_changes(data: st.DataObject) -> None:
    flags = data.draw(objects(objects(sources())))
    text = data.draw(objects(sources(), (('"flags"', flags),)))
    written = FlagdSource.parse(text.encode()).with_flag(FLAG, define(ZERO, 1, {})).decode()
    added = FlagdSource.parse(written.encode())
    assert added.definitions(FLAG) == [define(ZERO, 1, {})]
    [ours] = [member for member in added.flags if member.name == FLAG]
    rest = written[: ours.at].rstrip(" \t\r\n,") + written[ours.end :]
    assert _without_blanks(rest) == _without_blanks(text)


def _without_blanks(text: str) -> str:
    return "".join(text.split())


@given(st.binary(max_size=40))
def test_whatever_stands_there_is_read_or_refused(content: bytes) -> None:
    for whole in (content, b'{"flags": {"a": ' + content + b"}}"):
        try:
            source = FlagdSource.parse(whole)
        except NotAFlagFile as error:
            assert str(error).startswith("line ")
        else:
            assert json.loads(whole.decode("utf-8", "surrogateescape"))["flags"] is not None
            assert len(source.with_flag(FLAG, define(ZERO, 1, {}))) > len(whole)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "line 1: this is no JSON"),
        (b"null", "line 1: found no object"),
        (b"[]", "line 1: found no object"),
        (b'{"x": 1}', "line 1: found no object named flags"),
        (b'{\n"flags": null}', "line 2: found null as flags, allowed is an object"),
        (b'{\n"flags": 3}', "line 2: found 3 as flags, allowed is an object"),
        (b'{\n"flags": {\n"a": }}', "line 3: this is no JSON"),
        (b'{"flags": {}} {"flags": {}}', "line 1: this is no JSON"),
        (b'{"flags": {"a": {},}}', "line 1: this is no JSON"),
        (b'{"flags": {"a": {} "b": {}}}', "line 1: this is no JSON"),
        (b"flags:\n  a: {}\n", "line 1: this is no JSON"),
        (b'{"flags": {"a": ' + b"[" * 100_000, "line 1: it is nested too deeply"),
    ],
)
def test_what_is_no_flag_file_is_named_by_its_line(content: bytes, words: str) -> None:
    with pytest.raises(NotAFlagFile, match=words):
        FlagdSource.parse(content)


def test_a_flag_that_stands_there_twice_is_changed_in_both_places() -> None:
    text = f'{{"flags": {{"{FLAG}": {{"a": 1}}, "x": {{}}, "{FLAG}": {{}}}}, "flags": {{"{FLAG}": {{}}}}}}'
    written = FlagdSource.parse(text.encode()).with_flag(FLAG, {"b": 2})
    assert FlagdSource.parse(written).definitions(FLAG) == [{"b": 2}] * 3
    assert written.decode().replace(' "x"', '"x"').count('"x": {}') == 1


@pytest.mark.parametrize(
    ("content", "damage"),
    [
        (b'{"flags": {"a": {}}}', ""),
        (b'{"flags": {"a": {"x": "\\ud83d"}}}', ""),
        (b'{"flags": {\n"a": {"x": "\xe4"}}}', "line 2: this is no UTF-8 text"),
        (b'{"flags": {\n"a": null}}', "line 2: found null as flag a, allowed is an object"),
        (b'{"flags": {"a": [1]}}', "line 1: found \\[1\\] as flag a"),
    ],
)
def test_damage_in_the_flags_of_others_is_told_and_left_to_them(content: bytes, damage: str) -> None:
    source = FlagdSource.parse(content)
    assert damage.replace("\\", "") in source.foreign_damage
    assert bool(source.foreign_damage) == bool(damage)
    written = source.with_flag(FLAG, define(ZERO, 1, {}))
    assert written.startswith(content.rstrip(b"}"))
    assert recognise(FlagdSource.parse(written).definitions(FLAG)[0]).exposure == ZERO


@pytest.mark.parametrize(
    ("content", "written"),
    [
        (EMPTY, '  "flags": {\n    "f": {\n      "a": 1\n    }\n  }\n}\n'),
        (b'{"flags": {}}', '{"flags": {"f": {"a": 1}}}'),
        (b'{"flags": {"x": {}}}', '{"flags": {"x": {}, "f": {"a": 1}}}'.replace("{}, ", "{},")),
        (b'{\n\t"flags": {\n\t\t"x": {}\n\t}\n}', '\t\t"x": {},\n\t\t"f": {\n\t\t  "a": 1\n\t\t}\n\t}\n}'),
    ],
)
def test_an_added_flag_follows_the_files_layout(content: bytes, written: str) -> None:
    assert FlagdSource.parse(content).with_flag("f", {"a": 1}).decode().endswith(written)


@pytest.mark.parametrize("definition", ['{"a": 1e400}', '{"a": NaN}', '{"a": ' + "9" * 5000 + "}"])
def test_what_python_could_not_write_again_is_nothing_to_keep(definition: str) -> None:
    source = FlagdSource.parse(f'{{"flags": {{"{FLAG}": {definition}}}}}'.encode())
    found: list[Any] = source.definitions(FLAG)
    assert found == [None]
    assert FlagdSource.parse(source.with_flag(FLAG, define_zero(None, 1))).definitions(FLAG) == [define(ZERO, 1, {})]
