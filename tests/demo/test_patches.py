"""Both paths give the same answer to every request, and the invariant notices a wrong one."""

from hypothesis import given
from hypothesis import strategies as st

from demo.batch_patches.faults import LEAK_LIMIT_BYTES, Faults
from demo.batch_patches.patches import (
    KNOWN_REQUESTS,
    OPERATIONS,
    Patch,
    Request,
    apply_in_batch,
    apply_one_by_one,
    corrupt,
    keeps_invariant,
    parse_request,
)

fields = st.sampled_from("abcd")
documents = st.dictionaries(fields, st.one_of(st.text(max_size=3), st.integers(), st.none()))
patches = st.builds(Patch, op=st.sampled_from(OPERATIONS), field=fields, value=st.text(max_size=3))
requests = st.builds(Request, document=documents, patches=st.lists(patches, max_size=8).map(tuple))


@given(requests)
def test_the_paths_agree_and_keep_the_invariant(request: Request) -> None:
    answer = apply_in_batch(request)
    assert answer == apply_one_by_one(request)
    assert keeps_invariant(request, answer)


@given(requests)
def test_a_lost_field_breaks_the_invariant(request: Request) -> None:
    answer = apply_in_batch(request)
    assert keeps_invariant(request, corrupt(answer)) == (not answer.document)


def test_known_answers_are_right_and_never_empty() -> None:
    for known in KNOWN_REQUESTS:
        assert apply_in_batch(parse_request(known.body)).to_json() == known.answer
        assert known.answer["document"]


def test_the_leak_is_paced_bounded_and_given_back() -> None:
    now = 0.0
    faults = Faults(clock=lambda: now)
    faults.inject("leak")
    for _ in range(1000):
        faults.leak()
    assert faults.leaked_bytes == 4_000_000
    for _ in range(100):
        now += 1
        faults.leak()
    assert faults.leaked_bytes == LEAK_LIMIT_BYTES
    faults.clear()
    assert faults.leaked_bytes == 0
