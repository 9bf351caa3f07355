"""A flag backend from another package: one module, one test file, one entry point; broken, it stops only its own users."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import added_package
from tests.added_package import ROOT, tidegate
from tests.console.test_zero_first import TOLD, exposure, kit
from tidegate.values.exposure import ZERO

__all__ = ["kit"]

pytestmark = pytest.mark.e2e
SOURCE = ROOT / "tests/added_backend"
MODULE = (SOURCE / "acme_flags.py").read_text()
ENTRY = "acme-flags = acme_flags:AcmeFlags"


def installed(folder: Path, module: str = MODULE, entry: str = ENTRY, **more: str) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    files = {"acme_flags.py": module, **more}
    return added_package.installed(folder, "acme-flags", "tidegate.flag_backends", entry, files)


def with_acme(kit: Path) -> None:
    """The same kit, whose flags are Acme's."""
    kit.write_text(
        f"journal: {{url: 'sqlite:///{kit.parent / 'journal.db'}'}}\n"
        f"flags: {{block: acme-flags, folder: {kit.parent}}}\n"
        "prometheus: {url: 'http://127.0.0.1:9', timeout_seconds: 0.2}\n"
    )


@pytest.mark.timeout(600)
def test_a_backend_of_another_package_goes_from_the_kit_to_zero(tmp_path: Path) -> None:
    check = (SOURCE / "check_acme.py").read_text()
    env = installed(tmp_path / "acme", **{"check_acme.py": check})
    added_package.run_its_tests(tmp_path / "acme" / "check_acme.py", env, seconds=580)


@pytest.mark.parametrize(
    ("module", "entry", "words"),
    [
        (MODULE.replace("def zero(", "def nothing("), ENTRY, "TypeError: AcmeFlags lacks zero"),
        ("raise OSError('half of it is gone')", ENTRY, "OSError: half of it is gone"),
        ("import sys; sys.exit('gone')", ENTRY, "SystemExit: gone"),
        (MODULE, "acme-flags = acme_flags:Nothing", "AttributeError"),
        (MODULE.replace("(BaseModel)", ""), ENTRY, "allowed is a subclass of pydantic's BaseModel"),
        (
            MODULE.replace(
                "import BaseModel, Field", "import Field\nfrom prefect.blocks.core import Block as BaseModel"
            ),
            ENTRY,
            "AcmeFlags is a Prefect block, allowed is a model without Prefect",
        ),
    ],
)
def test_half_a_backend_is_told_in_one_sentence_where_it_is_used(
    tmp_path: Path, kit: Path, module: str, entry: str, words: str
) -> None:
    env = installed(tmp_path / "acme", module, entry)
    with_acme(kit)
    # Zero's own lean imports each time; the others' are the same for all of these.
    for command in ("status", "rollback") if words == "AttributeError" else ("rollback",):
        code, said = tidegate(command, env=env)
        assert code == 2, said
        assert f"{kit}: flags.block: found 'acme-flags', allowed is tidegate-flagd-file or tidegate-" in said
        assert "the flag backend 'acme-flags' of the package acme-flags cannot be used: " in said
        assert words in said
        assert "Traceback" not in said


def test_a_backend_that_is_not_installed_is_told_where_it_is_used(kit: Path) -> None:
    with_acme(kit)
    code, said = tidegate("rollback", env=dict(os.environ))
    assert (code, "no installed package adds a flag backend 'acme-flags'" in said) == (2, True), said


@pytest.mark.parametrize("broken", ["raise OSError('half of it is gone')", "import sys; sys.exit('gone')"])
def test_a_broken_package_stops_no_zero_of_who_does_not_use_it(tmp_path: Path, kit: Path, broken: str) -> None:
    env = installed(tmp_path / "acme", broken)
    done = subprocess.run(
        [sys.executable, "-c", TOLD, "rollback", "--reason", "smoke"],
        env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines()[0] == "early True []", done.stdout + done.stderr
    assert exposure(kit) == ZERO


def test_packages_are_asked_for_nothing_that_is_ours(tmp_path: Path, kit: Path) -> None:
    env = installed(tmp_path / "acme", "raise OSError", "tidegate-flagd-file = acme_flags:AcmeFlags")
    kit.write_text(kit.read_text().replace("flags:\n", "flags:\n  block: tidegate-flagd-file\n"))
    code, said = tidegate("rollback", "--reason", "smoke", env=env)
    assert exposure(kit) == ZERO, said
    assert code == 3, said


def test_zero_imports_no_other_backend_than_the_kit_s(kit: Path) -> None:
    code = (
        "import sys; from blocks.kit_values import zero_kit; "
        f"assert zero_kit({str(kit)!r}) is not None; "
        "print(sorted(m for m in sys.modules if m in ('blocks.flags.command_store', 'prefect')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    assert done.stdout == "[]\n"
