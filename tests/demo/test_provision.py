"""A part is found on the path or in the cache; a missing one says how to install it."""

from pathlib import Path

import pytest

from demo.provision import Part, PartMissing, find

PART = Part(name="tidal", commands=("tidald",), places=(), debian="tidald", macos="brew install tidald")


@pytest.fixture(autouse=True)
def _nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("TIDEGATE_CACHE", str(tmp_path / "cache"))


def program(path: Path) -> Path:
    """Write something that can be run."""
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_a_missing_part_says_how_to_install_it() -> None:
    with pytest.raises(PartMissing, match=r"tidal is missing\..*install tidald"):
        find(PART)


def test_the_cache_is_used_and_the_path_comes_first(tmp_path: Path) -> None:
    cached = program(tmp_path / "cache/tidal/usr/bin/tidald")
    assert find(PART) == cached
    on_path = program(tmp_path / "bin/tidald")
    assert find(PART) == on_path
