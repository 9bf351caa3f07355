"""What comes back from a form: read strictly, bound to its gate, and compared with the evidence that was shown."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tidegate.builders import ANN, PLAN, finding, plan_of
from tidegate.gates.answer import needs_code, read_answer
from tidegate.gates.approval import Answer, Choice
from tidegate.gates.binding import given_for, misdirected, worse_than_shown
from tidegate.gates.statements import field_name, statements
from tidegate.values.verdict import Verdict

HASH = "0123456789abcdef" * 4
BOXES = statements(PLAN, 1)
FORM = {"decision": "go", "approver": "Ann@Example.com ", "note": " fine ", "code": "123456", "given_for": "x"}


def test_a_form_is_read() -> None:
    given = {**FORM, field_name(BOXES[0].key): True, field_name(BOXES[1].key): False}
    answer, code = read_answer(given, BOXES)
    assert answer == Answer(Choice.GO, ANN, "fine", stated=frozenset([BOXES[0].key]), given_for="x")
    assert code == "123456"


@pytest.mark.parametrize("value", [1, "yes", "true", [True], {"a": 1}, None])
def test_only_a_switch_that_is_on_states_something(value: object) -> None:
    assert read_answer({**FORM, field_name(BOXES[0].key): value}, BOXES)[0].stated == frozenset()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
keys = st.sampled_from([*FORM, "extension", "stated", "second", field_name(BOXES[0].key)]) | st.text(max_size=5)


@given(st.dictionaries(keys, json_values | st.sampled_from(["go", "rollback", ANN, "12h"]), max_size=8))
def test_whatever_arrives_is_an_answer_or_one_sentence(body: dict[str, Any]) -> None:
    try:
        answer, code = read_answer(body, BOXES)
    except ValueError as error:
        assert ": " in str(error)
    else:
        assert answer.second == ""
        assert answer.decision in list(Choice)
        assert isinstance(code, str)


@pytest.mark.parametrize(
    ("approvals", "decision", "second", "needed"),
    [
        ("open", Choice.GO, "", False),
        ("codes", Choice.GO, "", True),
        ("codes", Choice.EXTEND, "", True),
        ("codes", Choice.GO, "bob@example.com", False),
        ("codes", Choice.HOLD, "", False),
        ("codes", Choice.ROLLBACK, "", False),
    ],
)
def test_only_what_raises_or_delays_needs_a_code(approvals: str, decision: Choice, second: str, needed: bool) -> None:
    assert needs_code(plan_of({"approvals": approvals}), Answer(decision, ANN, second=second)) is needed


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (given_for(2, 3, HASH), ""),
        ("wave 2, attempt 3, plan 0123456789ab", ""),
        (given_for(1, 3, HASH), "for the gate before wave 1, this one is before wave 2"),
        (given_for(2, 2, HASH), "for attempt 2 of this gate, which is at attempt 3 by now"),
        (given_for(2, 3, "f" * 64), "for the plan ffffffffffff, this gate is of 0123456789ab"),
        ("", "does not say which gate"),
        ("wave 2, attempt 3", "is for no gate we know"),
        (given_for(2, 3, HASH) + "\n", "is for no gate we know"),
    ],
)
def test_an_answer_is_for_one_form_only(words: str, why: str) -> None:
    found = misdirected(words, 2, 3, HASH)
    assert why in found
    assert bool(found) is bool(why)


BAD = (Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL)


@pytest.mark.parametrize("then", list(Verdict))
@pytest.mark.parametrize("now", list(Verdict))
def test_what_was_fine_when_people_were_asked_and_is_not_any_more_is_worse(then: Verdict, now: Verdict) -> None:
    worse = worse_than_shown([finding(then).to_json()], [finding(now)], ())
    assert bool(worse) is (then not in BAD and now in BAD)
    assert worse_than_shown([finding(then).to_json()], [finding(now)], {"one"}) == ""


@pytest.mark.parametrize("then", list(Verdict))
def test_what_was_fine_and_is_not_measured_any_more_is_worse(then: Verdict) -> None:
    assert bool(worse_than_shown([finding(then).to_json()], [finding(Verdict.PASS, "two")], ())) is (then not in BAD)
