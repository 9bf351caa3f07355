"""What every backend of a vendor's API keeps when the API, the network or another person does not.

A vendor's test file imports all of this and has fixtures: `server`, `backend`, `another` (a second process's connection
to the same account) and `account`, the vendor's stand-in.
"""

import contextlib
import re
import time
from dataclasses import replace
from typing import Any

import pytest

from blocks.connections import OpenConnections
from blocks.errors import ConnectionFault, Fenced, NotTaken, Refused, Unreachable
from engine.preflight.served_as_planned import served_as_planned, wrong_shares
from tests.blocks.test_flag_backends import FLAG, MORE, TEN
from tests.blocks.vendors.judged_server import Fault, JudgedServer
from tests.permits import put
from tests.tidegate.builders import plan_of
from tidegate.values.exposure import ZERO, Exposure, Layer
from tidegate.values.verdict import Verdict

SECONDS = 20.0  # the connections' time-out: a slow machine is no fault of the API's
HASTY = 2.0  # where the API hangs
FULL = Exposure((Layer("everyone", None, 100.0),))


def hasty(backend: Any, status: int) -> Any:
    """The same connection; it does not wait for long where the API hangs or trickles."""
    return backend.model_copy(update={"timeout_seconds": HASTY}) if status <= 0 else backend


@pytest.fixture
def raised(backend: Any) -> Any:
    """The backend, with a tenth of everyone exposed under epoch 1."""
    backend.fence(FLAG, 1)
    put(backend, FLAG, TEN, 1)
    return backend


def test_nobody_there(backend: Any, dead_port: int) -> None:
    gone = backend.model_copy(update={"url": f"http://127.0.0.1:{dead_port}"})
    for ask in (lambda: gone.read(FLAG), lambda: gone.zero(FLAG, 1), lambda: gone.fence(FLAG, 1), gone.check):
        with pytest.raises(Unreachable):
            ask()


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_not_taken_is_said_and_changes_nothing(
    raised: Any, server: JudgedServer, account: Any, status: int
) -> None:
    server.faults.append(Fault(status))
    for ask in (
        lambda: raised.read(FLAG),
        lambda: raised.fence(FLAG, 2),
        lambda: put(raised, FLAG, MORE, 1),
        lambda: raised.zero(FLAG, 2),
        raised.check,
    ):
        with pytest.raises(Refused, match=f"answered {status}: the token"):
            ask()
    server.faults.clear()
    assert raised.read(FLAG).exposure == TEN


def test_a_flag_that_is_not_there_is_zero_and_not_made(backend: Any, server: JudgedServer) -> None:
    assert backend.read("missing").exposure == ZERO
    assert "missing is not" in backend.read("missing").description
    backend.zero("missing", 3)
    for ask in (lambda: backend.fence("missing", 1), lambda: backend.question("missing")):
        with pytest.raises(Refused, match="missing"):
            ask()


def test_a_conflict_changes_nothing_and_may_be_tried_again(raised: Any, server: JudgedServer) -> None:
    server.faults.append(Fault(409, raised.writes_by, times=1))
    with pytest.raises(Unreachable):
        put(raised, FLAG, MORE, 1)
    assert raised.read(FLAG).exposure == TEN
    put(raised, FLAG, MORE, 1)
    assert raised.read(FLAG).exposure == MORE


def test_what_a_rate_limit_asks_for_is_waited_for(raised: Any, server: JudgedServer) -> None:
    server.faults.append(Fault(429, "GET", {"Retry-After": "1"}, times=1))
    began = time.monotonic()
    with pytest.raises(Unreachable, match="429"):
        raised.read(FLAG)
    arrived = len(server.arrived)
    with pytest.raises(Unreachable, match="asked for no more requests"):
        raised.read(FLAG)
    assert len(server.arrived) == arrived
    while True:
        try:
            assert raised.read(FLAG).exposure == TEN
            break
        except Unreachable:
            assert time.monotonic() - began < 60
    assert time.monotonic() - began >= 1
    assert len(server.arrived) == arrived + 1


def test_a_write_after_a_rate_limit_waits_too(raised: Any, server: JudgedServer) -> None:
    server.faults.append(Fault(429, raised.writes_by, {"Retry-After": "60"}, times=1))
    with pytest.raises(Unreachable, match="429"):
        put(raised, FLAG, MORE, 1)
    arrived = server.calls(raised.writes_by)
    with pytest.raises(Unreachable, match="asked for no more requests"):
        put(raised, FLAG, MORE, 1)
    assert server.calls(raised.writes_by) == arrived
    assert raised.read(FLAG).exposure == TEN


def test_zero_waits_for_no_rate_limit(raised: Any, server: JudgedServer, account: Any) -> None:
    """It was asked to wait a minute for reading and for writing, and zero is there at once."""
    server.faults.append(Fault(429, "GET", {"Retry-After": "60"}, times=1))
    with pytest.raises(Unreachable, match="429"):
        raised.read(FLAG)
    server.faults.append(Fault(429, raised.writes_by, {"Retry-After": "60"}, times=1))
    with contextlib.suppress(ConnectionFault):  # the one that is told so
        raised.zero(FLAG, 2)
    raised.zero(FLAG, 2)
    assert not account.may_serve(FLAG)


@pytest.mark.parametrize("status", [500, 502, 503, 0, -1], ids=["500", "502", "503", "hangs", "trickles"])
def test_an_api_that_is_down_or_hangs_is_unreachable_in_time(raised: Any, server: JudgedServer, status: int) -> None:
    server.faults.append(Fault(status))
    asked = hasty(raised, status)
    for ask in (lambda: asked.read(FLAG), lambda: put(asked, FLAG, MORE, 1), lambda: asked.fence(FLAG, 2)):
        began = time.monotonic()
        with pytest.raises(Unreachable):
            ask()
        assert time.monotonic() - began < asked.timeout_seconds + 10
    server.faults.clear()
    assert raised.read(FLAG).exposure == TEN


@pytest.mark.parametrize("status", [403, 429, 500, 0, -1], ids=["403", "429", "500", "hangs", "trickles"])
def test_zero_while_nothing_can_be_read(raised: Any, server: JudgedServer, account: Any, status: int) -> None:
    """It is switched off all the same, in the time that it says."""
    server.faults.append(Fault(status, "GET"))
    asked, began = hasty(raised, status), time.monotonic()
    with contextlib.suppress(ConnectionFault):  # it could not be read back
        asked.zero(FLAG, 2)
    assert time.monotonic() - began < asked.zero_seconds
    assert not account.may_serve(FLAG)
    server.faults.clear()
    assert raised.read(FLAG).exposure == ZERO


@pytest.mark.parametrize("status", [409, 500, 0], ids=["409", "500", "hangs"])
def test_zero_after_writes_that_fail(raised: Any, server: JudgedServer, status: int) -> None:
    server.faults.append(Fault(status, raised.writes_by, times=2))
    asked, end = hasty(raised, status), time.monotonic() + 60
    while True:
        try:
            asked.zero(FLAG, 2)
            break
        except ConnectionFault:
            assert time.monotonic() < end
    assert raised.read(FLAG).exposure == ZERO
    with pytest.raises(Fenced):
        put(raised, FLAG, TEN, 1)


def test_an_answer_that_is_lost_on_the_way(raised: Any, server: JudgedServer) -> None:
    server.faults.append(Fault(502, raised.writes_by, applies=True, times=1))
    with pytest.raises(ConnectionFault):
        put(raised, FLAG, MORE, 1)
    revision = put(raised, FLAG, MORE, 1)
    assert (raised.read(FLAG).exposure, raised.read(FLAG).revision) == (MORE, revision)


def test_a_late_writer_loses_between_its_reading_and_its_writing(
    raised: Any, another: Any, server: JudgedServer, account: Any
) -> None:
    server.before[raised.writes_by] = lambda: another.zero(FLAG, 2)
    with pytest.raises(Fenced):
        put(raised, FLAG, FULL, 1)
    assert raised.read(FLAG).exposure == ZERO
    assert not account.may_serve(FLAG)


def test_a_late_writer_loses_to_whoever_took_over(raised: Any, another: Any, server: JudgedServer) -> None:
    server.before[raised.writes_by] = lambda: another.fence(FLAG, 2)
    with pytest.raises(Fenced):
        put(raised, FLAG, FULL, 1)
    assert raised.read(FLAG).exposure == TEN


@pytest.mark.parametrize("edit", ["by_hand_full", "by_hand_off"])
def test_somebody_elses_edit_in_between_is_not_written_over(
    raised: Any, server: JudgedServer, account: Any, edit: str
) -> None:
    server.before[raised.writes_by] = lambda: getattr(account, edit)(FLAG)
    with pytest.raises(NotTaken, match="Ada Lovelace"):
        put(raised, FLAG, MORE, 1)
    assert raised.read(FLAG).exposure == (None if edit == "by_hand_full" else ZERO)


@pytest.mark.parametrize("edit", ["by_hand_full", "by_hand_off"])
def test_drift_names_who_did_it(raised: Any, server: JudgedServer, account: Any, edit: str) -> None:
    assert "Ada" not in raised.read(FLAG).description
    getattr(account, edit)(FLAG)
    seen = raised.read(FLAG)
    assert seen.exposure == (None if edit == "by_hand_full" else ZERO)
    assert "Ada Lovelace" in seen.description
    arrived = len(server.arrived)
    assert raised.read(FLAG) == seen
    assert len(server.arrived) == arrived + 1, "who it was is asked once"
    raised.zero(FLAG, 2)
    assert "Ada" not in raised.read(FLAG).description


def test_what_an_older_epoch_brought_in_is_set_back_downwards_only(raised: Any, another: Any) -> None:
    seen, was = raised.set_back(FLAG, TEN, 2)
    assert was is not None
    assert seen.exposure == TEN
    assert another.look(FLAG).epoch == 2
    assert raised.set_back(FLAG, TEN, 2) == (raised.read(FLAG), None)
    assert raised.set_back(FLAG, ZERO, 3)[0].exposure == ZERO


def test_zero_leaves_nothing_to_whoever_switches_it_on_again(raised: Any, account: Any) -> None:
    raised.zero(FLAG, 2)
    account.by_hand_on(FLAG)
    assert raised.read(FLAG).exposure == ZERO


def test_an_environment_that_asks_for_approvals_is_refused_with_the_reason(raised: Any, account: Any) -> None:
    account.require_approvals()
    for ask in (
        lambda: raised.question(FLAG),
        lambda: put(raised, FLAG, MORE, 1),
        lambda: raised.zero(FLAG, 2),
    ):
        with pytest.raises(Refused, match=account.approval_words):
            ask()
    assert "approval" in raised.check()
    account.require_approvals(required=False)
    assert raised.read(FLAG).exposure == TEN


@pytest.mark.parametrize("flag", ["../../etc/passwd", "..", "a b; rm", "a\nb", "a\0", "größe", "", "x" * 257])
def test_a_key_that_the_vendor_does_not_have_is_refused_unasked(backend: Any, server: JudgedServer, flag: str) -> None:
    for ask in (lambda: backend.read(flag), lambda: backend.zero(flag, 1), lambda: backend.by_hand(flag)):
        with pytest.raises(Refused, match="allowed are"):
            ask()
    assert not server.arrived


USERS = [(f"user-{number}", group) for number in range(2000) for group in [("g0", "b1", "staff", "held")[number % 4]]]
WAVES = [
    Exposure((Layer("beta", ("b1",), share), *rest), always_on=("staff",), always_off=("held",))
    for share, rest in (
        (5.0, ()),
        (50.0, (Layer("everyone", None, 12.5),)),
        (100.0, (Layer("everyone", None, 12.5),)),
        (100.0, (Layer("everyone", None, 33.3),)),
        (100.0, (Layer("everyone", None, 100.0),)),
    )
]


def test_the_vendors_own_sdk_serves_each_wave_as_asked(backend: Any, server: JudgedServer) -> None:
    backend.fence(FLAG, 1)
    before = [False] * len(USERS)
    for exposure in WAVES:
        would = list(backend.evaluate(FLAG, exposure, USERS, False))
        assert backend.read(FLAG).exposure != exposure, "looking has no effect"
        put(backend, FLAG, exposure, 1)
        assert list(backend.evaluate(FLAG, exposure, USERS, True)) == would
        assert wrong_shares(exposure, USERS, would) == ""
        assert not any(was and not now for was, now in zip(before, would, strict=True)), "somebody left"
        before = would
    for default in (False, True):
        assert not any(backend.evaluate(FLAG, ZERO, USERS, default))


def test_preflight_evaluates_a_whole_plan(backend: Any, account: Any) -> None:
    plan = plan_of()
    account.create(plan.flag.key)
    finding = served_as_planned(OpenConnections(None, backend, None), plan)  # type: ignore[arg-type]
    assert finding.verdict is Verdict.PASS, finding.sentence
    assert backend.look(plan.flag.key).epoch == 0, "nothing is written"


def test_a_plan_that_names_variants_is_refused(backend: Any) -> None:
    backend.fence(FLAG, 1)
    named = replace(TEN, variants=("new", "old"))
    for ask in (lambda: put(backend, FLAG, named, 1), lambda: backend.evaluate(FLAG, named, USERS, False)):
        with pytest.raises(Refused, match="allowed are boolean flags"):
            ask()


def test_the_judge_knows_a_call_that_the_vendor_would_not_take(server: JudgedServer, account: Any) -> None:
    for call in account.bad_calls():
        assert bool(server.violation(call)) is server.judges, call


def test_the_command_on_the_card_holds_no_secret(backend: Any) -> None:
    assert not re.search(re.escape(backend.token.get_secret_value()), backend.by_hand(FLAG))
