"""A flag service by a description: what it answers is judged, every fault ends, and a late writer does not get through."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from blocks.errors import ChangedMeanwhile, ConnectionFault, Fenced, NotTaken, Refused, Unreachable
from blocks.flags.http.http_flag import HttpFlag
from tests.blocks.flag_service import TOKEN, FlagService, flag_service
from tests.permits import put
from tidegate.values.exposure import ZERO, Exposure, Layer

FLAG = "shop:new-cart/größe"
TEN = Exposure((Layer("everyone", None, 10.0),))
HALF = Exposure((Layer("everyone", None, 50.25),), variants=("NEW", "OLD"))
MANNERS = ("etag", "version", "plain")


@pytest.fixture(params=MANNERS)
def service(request: pytest.FixtureRequest) -> Iterator[FlagService]:
    with flag_service(request.param) as running:
        yield running


@pytest.fixture
def etag() -> Iterator[FlagService]:
    with flag_service("etag") as running:
        yield running


def raised(service: FlagService, exposure: Exposure = TEN, epoch: int = 1) -> HttpFlag:
    backend = service.backend(timeout_seconds=0.5)
    backend.fence(FLAG, epoch)
    put(backend, FLAG, exposure, epoch)
    return backend


def test_what_is_sent_is_what_was_described(service: FlagService) -> None:
    backend = raised(service, HALF)
    assert backend.read(FLAG).exposure == HALF
    assert {path for _, path in service.arrived} == {"/v1/shop%3Anew-cart%2Fgr%C3%B6%C3%9Fe"}
    assert service.flags[FLAG]["epoch"] == 1


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ((401, {}), Refused, "answered 401.*look at the token"),
        ((403, {}), Refused, "answered 403.*look at the token"),
        ((404, {}), Refused, "there is no flag"),
        ((409, {}), NotTaken, "should serve 50.25% of everyone, found 10% of everyone"),
        ((429, {"Retry-After": "60"}), Unreachable, "answered 429"),
        ((500, {}), Unreachable, "answered 500"),
        ((503, {}), Unreachable, "answered 503"),
        ((302, {"Location": "/elsewhere"}), Refused, "a redirection is not followed"),
        ((400, {}), Refused, "answered 400"),
        ("hang", Unreachable, "no answer|did not answer"),
        ("trickle", Unreachable, "no answer|did not answer"),
        ("lost", Unreachable, "no answer"),
    ],
    ids=str,
)
def test_each_fault_of_a_set_ends_as_what_it_is_and_zero_gets_through_all_the_same(
    etag: FlagService, fault: Any, kind: type[ConnectionFault], words: str
) -> None:
    backend = raised(etag)
    etag.fault = lambda method, _: fault if method == "PUT" else None
    began = time.monotonic()
    with pytest.raises(kind, match=words) as told:
        put(backend, FLAG, HALF, 1)
    assert time.monotonic() - began < 10
    assert TOKEN not in str(told.value)
    etag.fault = lambda method, _: fault if method == "GET" else None
    with pytest.raises((Unreachable, Refused, NotTaken)):
        backend.zero(FLAG, 2)  # turned off, and not proven: it cannot be read
    assert etag.flags[FLAG]["enabled"] is False
    etag.fault = lambda _method, _path: None
    fresh = etag.backend()
    fresh.zero(FLAG, 3)
    assert fresh.read(FLAG).exposure == ZERO


@pytest.mark.parametrize("fault", [(500, {}), (429, {"Retry-After": "900"}), (401, {}), "hang", "lost"], ids=str)
def test_a_zero_that_fails_says_so_and_the_next_one_is_asked_at_once(etag: FlagService, fault: Any) -> None:
    backend = raised(etag)
    etag.fault = lambda method, _: fault if method == "DELETE" else None
    with pytest.raises((Unreachable, Refused)):
        backend.zero(FLAG, 2)
    etag.fault = lambda _method, _path: None
    backend.zero(FLAG, 2)
    assert backend.read(FLAG).exposure == ZERO


def test_unreachable(dead_port: int, etag: FlagService) -> None:
    backend = etag.backend(url=f"http://127.0.0.1:{dead_port}")
    for call in (backend.check, lambda: backend.read(FLAG), lambda: backend.zero(FLAG, None)):
        with pytest.raises(Unreachable, match="no answer"):
            call()


def test_after_429_it_is_left_alone_for_as_long_as_it_asks(etag: FlagService) -> None:
    backend = raised(etag)
    etag.fault = lambda method, _: (429, {"Retry-After": "60"}) if method == "GET" else None
    with pytest.raises(Unreachable, match="answered 429"):
        backend.read(FLAG)
    asked = len(etag.arrived)
    with pytest.raises(Unreachable, match=r"asked for no more requests for another (60|59) s"):
        backend.read(FLAG)
    assert len(etag.arrived) == asked


@pytest.mark.parametrize("manner", ["etag", "version"])
def test_a_late_writer_that_had_read_before_fails_at_the_service_itself(manner: str) -> None:
    with flag_service(manner) as service:
        loser = raised(service)
        loser.timeout_seconds = 20.0  # what is done in between takes its time on a busy machine
        taker = service.backend()
        service.before_set = lambda: taker.fence(FLAG, 2, TEN)
        with pytest.raises(Fenced, match="carries epoch 2"):
            put(loser, FLAG, HALF, 1)
        assert taker.read(FLAG).exposure == TEN
        prepared = loser.look(FLAG)
        taker.zero(FLAG, 3)
        with pytest.raises(ChangedMeanwhile):
            loser.store(FLAG, HALF, 1, prepared)
        assert taker.read(FLAG).exposure == ZERO


def test_without_versions_a_late_writer_is_set_back_downwards() -> None:
    with flag_service("plain") as service:
        loser = raised(service)
        taker = service.backend()
        prepared = loser.look(FLAG)
        taker.fence(FLAG, 2, TEN)
        half = Exposure((Layer("everyone", None, 50.0),))
        loser.store(FLAG, half, 1, prepared)
        assert taker.read(FLAG).exposure == half
        seen, was = taker.set_back(FLAG, TEN, 2)
        assert (seen.exposure, was and was.exposure) == (TEN, half)


def test_somebody_elses_edit_in_between_is_left_as_it_is(etag: FlagService) -> None:
    backend = raised(etag)
    etag.before_set = lambda: etag.change(FLAG, enabled=False)
    with pytest.raises(NotTaken, match="found 0% .nobody."):
        put(backend, FLAG, HALF, 1)
    assert etag.flags[FLAG]["enabled"] is False


def test_what_others_wrote_is_no_exposure_and_is_not_written_over(service: FlagService) -> None:
    backend = raised(service)
    service.change(FLAG, exposure={"percent": 40}, epoch=0)
    assert backend.read(FLAG).exposure is None
    with pytest.raises(Refused, match="not written over"):
        backend.fence(FLAG, 9)


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b'{"enabled": true}', b'{"epoch": -1}', b'{"epoch": 1.5}'])
def test_what_cannot_be_understood_is_never_zero(
    etag: FlagService, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    backend = raised(etag)
    monkeypatch.setattr(etag, "answer", lambda *_: (200, {"ETag": '"7"'}, body))
    with suppress(Refused):
        assert backend.read(FLAG).exposure is None


def test_a_set_that_names_a_version_is_refused_where_the_service_tells_none(etag: FlagService) -> None:
    backend = raised(etag)
    etag.manner = "plain"
    with pytest.raises(Refused, match="found no version .its ETag."):
        backend.read(FLAG)


@pytest.mark.parametrize("flag", ["..", "."])
def test_no_flag_leads_to_another_path(etag: FlagService, flag: str) -> None:
    for call in (etag.backend().read, lambda flag: etag.backend().zero(flag, None)):
        with pytest.raises(Refused, match="no name of dots alone"):
            call(flag)
    assert etag.arrived == []


@pytest.mark.parametrize("flag", ["a b; rm -rf /", "x\r\nHost: evil", "a?b#c", '"}', "../../etc/passwd", "a\0b"])
def test_whatever_a_flag_is_called_it_stays_data(service: FlagService, flag: str) -> None:
    backend = service.backend()
    backend.fence(flag, 1)
    put(backend, flag, TEN, 1)
    backend.zero(flag, None)
    assert list(service.flags) == [flag]
    assert "\n" not in backend.by_hand(flag).replace(flag, "")


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "ftp://x"},
        {"read_request": {"method": "GET", "path": "flags"}},
        {"read_request": {"method": "GET", "path": "/{token}"}},
        {"set_request": {"method": "TRACE", "path": "/"}},
        {"set_request": {"method": "PUT", "path": "/", "body": {"x": ["{secret}"]}}},
        {"set_request": {"method": "PUT", "path": "/", "headers": {"X": "a\nb"}}},
        {"epoch_at": "epoch"},
        {"timeout_seconds": 0},
    ],
    ids=str,
)
def test_bad_fields(etag: FlagService, fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        etag.backend(**fields)


def test_the_command_by_hand_names_the_secret_and_does_not_hold_it(service: FlagService) -> None:
    command = service.backend().by_hand(FLAG)
    assert command.startswith("curl --fail")
    assert TOKEN not in command
    assert '--header "Authorization: $TIDEGATE_FLAGS_AUTHORIZATION"' in command
