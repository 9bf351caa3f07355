"""The cache that the new path fills: one stated database or one prefix is dropped, never everything."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, TypeVar

from pydantic import Field, SecretStr

from blocks.calls.bounded import MOST_GIVEN_UP, SPARE_SECONDS, bounded
from blocks.calls.redaction import hide
from blocks.connection import Connection
from blocks.errors import Refused, Unreachable

if TYPE_CHECKING:
    from redis import Redis

T = TypeVar("T")
_ANSWERS = 3  # time-outs that all of them together may take
_BATCH = 1_000
_GLOB = re.compile(r"([\\*?\[\]^])")


class Cache(Connection):
    """A Redis server, or one that speaks like it."""

    _block_type_name: ClassVar[str | None] = "Tidegate Cache"
    _block_type_slug: ClassVar[str | None] = "tidegate-cache"
    _description: ClassVar[str | None] = "The Redis whose stated keys a full rollback may drop."

    url: SecretStr = Field(description="redis:// or rediss:// with host, port and database.")
    timeout_seconds: float = Field(default=5, gt=0, description="How long to wait for one answer.")

    def flush_database(self, database: int) -> int:
        """Drop every key of this one database, and return how many there were; raises Unreachable or Refused."""
        if isinstance(database, bool) or database < 0:
            raise Refused(f"found the database {database!r}, allowed is a number from 0")

        def flush() -> int:
            with self._client(database) as client:
                held = int(client.dbsize())
                client.flushdb()
                return held

        return self._in_time(flush, _ANSWERS * self.timeout_seconds)

    def flush_prefix(self, prefix: str, timeout: float = 60.0) -> int:
        """Drop the keys of the address's database that begin so, and return how many; raises Unreachable or Refused."""
        if not prefix:
            raise Refused("found an empty prefix, allowed is how the keys begin (everything is never dropped so)")
        return self._in_time(lambda: self._flush_prefix(prefix, timeout), timeout + self.timeout_seconds)

    def _in_time(self, call: Callable[[], T], seconds: float) -> T:
        return bounded(call, seconds + SPARE_SECONDS, "the cache", most_given_up=MOST_GIVEN_UP)

    def _flush_prefix(self, prefix: str, timeout: float) -> int:
        dropped, until = 0, time.monotonic() + timeout
        batch: list[bytes] = []
        with self._client(None) as client:
            for key in client.scan_iter(match=_GLOB.sub(r"\\\1", prefix) + "*", count=_BATCH):
                batch.append(key)
                if len(batch) == _BATCH:
                    dropped += int(client.unlink(*batch))
                    batch.clear()
                if time.monotonic() > until:
                    raise Unreachable(f"the cache was not flushed within {timeout:g} s; {dropped} keys are gone")
            if batch:
                dropped += int(client.unlink(*batch))
        return dropped

    def check(self) -> str:
        """A sentence saying what was found; raises Unreachable or Refused."""

        def look() -> str:
            with self._client(None) as client:
                client.ping()
                return f"the cache answers, {int(client.dbsize())} keys in its database"

        return self._in_time(look, _ANSWERS * self.timeout_seconds)

    @contextmanager
    def _client(self, database: int | None) -> Iterator["Redis"]:
        from redis import ConnectionPool, Redis
        from redis.exceptions import ConnectionError as Broken
        from redis.exceptions import RedisError
        from redis.exceptions import TimeoutError as Late

        try:
            pool = ConnectionPool.from_url(
                self.url.get_secret_value(),
                socket_timeout=self.timeout_seconds,
                socket_connect_timeout=self.timeout_seconds,
            )
        except ValueError:
            # The original's text may repeat the address.
            raise Refused("url: allowed is redis:// or rediss:// with host, port and database") from None
        if database is not None:
            pool.connection_kwargs["db"] = database
        client = Redis(connection_pool=pool)
        try:
            yield client
        except (Broken, Late) as error:
            raise Unreachable(f"the cache does not answer ({type(error).__name__})") from None
        except (AttributeError, TypeError, KeyError, IndexError) as error:
            # The client takes the form of an answer for granted; whatever listens there is no Redis.
            raise Refused(f"the cache's answer has an unknown form ({type(error).__name__})") from None
        except RedisError as error:
            raise Refused(f"the cache refused ({type(error).__name__}: {hide(str(error), self)[:200]})") from None
        finally:
            client.close()
            pool.disconnect()
