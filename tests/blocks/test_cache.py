"""A real Redis: only the stated keys go."""

from collections.abc import Iterator

import pytest
from redis import Redis

from blocks import Cache
from blocks.errors import Refused, Unreachable
from tests.blocks.servers import running_redis


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with running_redis(tmp_path_factory.mktemp("redis")) as port:
        yield port


@pytest.fixture
def cache(port: int) -> Cache:
    """A cache at database 0, with keys in databases 0 and 1."""
    for database in (0, 1):
        with Redis(port=port, db=database) as client:
            client.flushdb()
            client.mset({f"patch:{n}": n for n in range(2_500)})
            client.mset({"patch": 1, "session:1": 1, "p*tch:[1]": 1, "other-patch:1": 1})
    return Cache(url=f"redis://127.0.0.1:{port}/0", timeout_seconds=2)


def keys(port: int, database: int) -> set[bytes]:
    with Redis(port=port, db=database) as client:
        return set(client.keys())


OTHERS = {b"patch", b"session:1", b"p*tch:[1]", b"other-patch:1"}


def test_only_the_keys_of_the_prefix_go(cache: Cache, port: int) -> None:
    assert cache.flush_prefix("patch:") == 2_500
    assert keys(port, 0) == OTHERS
    assert len(keys(port, 1)) == 2_504
    assert cache.flush_prefix("patch:") == 0


def test_a_prefix_is_taken_letter_by_letter(cache: Cache, port: int) -> None:
    assert cache.flush_prefix("p*tch:[1]") == 1
    assert len(keys(port, 0)) == 2_503
    assert cache.flush_prefix("*") == 0


def test_only_the_stated_database_goes_whatever_the_address_says(cache: Cache, port: int) -> None:
    assert cache.flush_database(1) == 2_504
    assert keys(port, 1) == set()
    assert len(keys(port, 0)) == 2_504
    assert cache.flush_database(1) == 0


@pytest.mark.parametrize("database", [-1, True, 99])
def test_a_database_that_is_none_is_refused(cache: Cache, port: int, database: int) -> None:
    with pytest.raises(Refused):
        cache.flush_database(database)
    assert len(keys(port, 0)) == len(keys(port, 1)) == 2_504


def test_an_empty_prefix_is_refused(cache: Cache, port: int) -> None:
    with pytest.raises(Refused, match="everything is never dropped"):
        cache.flush_prefix("")
    assert len(keys(port, 0)) == 2_504


def test_a_flush_ends_in_its_time(cache: Cache) -> None:
    with pytest.raises(Unreachable, match="not flushed within 0 s"):
        cache.flush_prefix("patch:", timeout=0)


def test_check_and_what_does_not_answer(cache: Cache, dead_port: int) -> None:
    assert cache.check() == "the cache answers, 2504 keys in its database"
    dead = Cache(url=f"redis://:s3cret@127.0.0.1:{dead_port}/0", timeout_seconds=1)
    for act in (dead.check, lambda: dead.flush_database(0), lambda: dead.flush_prefix("x")):
        with pytest.raises(Unreachable) as caught:
            act()
        assert "s3cret" not in str(caught.value)
    with pytest.raises(Refused, match="allowed is redis://"):
        Cache(url="ftp://x").check()
