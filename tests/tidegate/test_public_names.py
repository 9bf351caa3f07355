"""The packages' public names: each is there, says what it promises, and costs nothing until it is asked for."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("tidegate", "engine", "blocks")
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("package", PACKAGES)
def test_each_public_name_is_there_and_says_what_it_promises(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__all__
    for name in module.__all__:
        assert getattr(module, name).__doc__, f"{package}.{name} says nothing of itself"
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        module.nothing  # noqa: B018 - asking is the test


def test_the_packages_alone_import_none_of_their_parts() -> None:
    """What rolls back by the command line asks for few of them, and waits for no others."""
    asked = "import sys, tidegate, engine; print([n for n in sys.modules if n.startswith(('tidegate.', 'engine.', 'prefect'))])"
    found = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
