"""Trouble with every flag backend that has no vendor; the vendors' own files run the same suite."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest

from tests.blocks.trouble import own_troubles as own
from tests.blocks.trouble.trouble_suite import *  # noqa: F403 - the suite
from tests.blocks.trouble.trouble_suite import HTTP, Trouble, pytest_generate_tests

PLACES = {
    **dict.fromkeys(("flagd-json", "flagd-yaml", "flagd-json-list", "flagd-yaml-list"), own.FILE),
    "command": own.PROGRAM,
    **dict.fromkeys(("http-etag", "http-version", "http-plain"), HTTP),
    "haproxy": own.SOCKET,
    "nginx": own.RELOAD,
}
__all__ = ["pytest_generate_tests"]


class Making(Protocol):
    def __call__(self, folder: Path, name: str, /) -> AbstractContextManager[Trouble]: ...


MAKE: dict[str, Making] = {
    "flagd": own.file_trouble,
    "command": own.command_trouble,
    "http": own.http_trouble,
    "haproxy": own.haproxy_trouble,
    "nginx": own.nginx_trouble,
}


@pytest.fixture
def trouble(place: str, tmp_path: Path) -> Iterator[Trouble]:
    with MAKE[place.partition("-")[0]](tmp_path, place) as made:
        yield made
