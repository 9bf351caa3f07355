"""The kill test in short: without a fault of ours nothing is found, and each of five deliberate ones is."""

from pathlib import Path

import pytest

from chaos.run import run

SEED = 5
FOUND = {
    "unapproved": "are exposed, ",
    "doubled": " times in ",
    "lost": "never arrived",
    "late": "are exposed, 0% were approved",
    "lease": "whose lease ran for",
}


@pytest.mark.timeout(600)
def test_a_few_faults_and_no_violation(tmp_path: Path) -> None:
    assert run(tmp_path / "home", 5, SEED, "", print).violations == []


@pytest.mark.timeout(600)
def test_a_few_faults_over_two_hosts_on_postgresql_and_no_violation(tmp_path: Path) -> None:
    assert run(tmp_path / "home", 5, SEED, "", print, database="postgresql", hosts=2).violations == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", FOUND)
def test_the_observer_sees_what_was_put_into_a_copy_of_the_product(tmp_path: Path, kind: str) -> None:
    found = run(tmp_path / "home", 2, SEED, kind, print).violations
    assert any(FOUND[kind] in violation for violation in found), found
