"""Plans lie where their team keeps them: any path on the command line, a folder by option, variable or kit."""

import shutil
from pathlib import Path

import pytest
import yaml

from blocks.kit import read_kit, write_kit
from blocks.plans import Plans
from engine.rollout.open import NotAllowed, plan_below
from engine.rollout.plans_folder import BUILT_IN, plans_folder_of
from tests.console.conftest import Run


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A team's own folder, with one plan two folders deep."""
    place = tmp_path / "elsewhere" / "cart"
    place.mkdir(parents=True)
    for name in ("rehearsal.yaml", "batch-patches-v1.yaml"):
        shutil.copy(BUILT_IN / name, place / name)
    (place / "rehearsal.yaml").rename(place / "new-cart.yaml")
    return place.parent


def name_it_in(kit: Path, folder: Path) -> None:
    values = yaml.safe_load(kit.read_text())
    write_kit(kit, {**values, "plans": {"folder": str(folder), "environment": "rehearsal"}})


def test_any_path_is_taken(kit: Path, run: Run, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("plan", "check", str(elsewhere / "cart/new-cart.yaml"))[0] == 0
    monkeypatch.chdir(elsewhere)
    assert run("plan", "check", "./cart/new-cart.yaml")[0] == 0


def test_a_folder_by_option_variable_or_kit(
    kit: Path, run: Run, elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = ("plan", "check", "cart/new-cart.yaml")
    code, _, err = run(*typed)
    assert (code, f"in {BUILT_IN} there are" in err) == (2, True)
    name_it_in(kit, elsewhere)
    assert run(*typed)[0] == 0
    assert plans_folder_of(read_kit(kit)) == elsewhere
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("TIDEGATE_PLANS", str(tmp_path / "empty"))
    code, _, err = run(*typed)
    assert (code, f"in {tmp_path / 'empty'} there are none" in err) == (2, True)
    assert run("--plans", str(elsewhere), *typed)[0] == 0
    assert run("--plans", str(tmp_path / "nowhere"), *typed)[0] == 2


def test_what_is_no_plan_is_not_called_one_and_the_nearest_is_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "answers.yaml").write_text("service: cart\n")
    (tmp_path / "kit.yaml").write_text("# waves: none\njournal:\n  url: x\n")
    (tmp_path / "plan.yaml").write_text("name: cart\nwaves: []\n")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "night.yaml").write_text("extends: ../plan.yaml\n")
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere.yaml")
    assert Plans(folder=str(tmp_path)).check() == f"2 plans in {tmp_path}"
    monkeypatch.setenv("TIDEGATE_PLANS", str(tmp_path))
    code, _, err = run("plan", "check", "plam.yaml")
    said = " ".join(err.split())
    assert code == 2
    assert "there are below/night.yaml, plan.yaml; did you mean plan.yaml?" in said


def test_a_run_of_the_ui_takes_them_from_the_configured_folder_and_from_nowhere_else(
    kit: Path, elsewhere: Path
) -> None:
    name_it_in(kit, elsewhere)
    folder = plans_folder_of(read_kit(kit))
    assert plan_below(folder, "cart/new-cart.yaml").name
    for name in ("../kit.yaml", str(BUILT_IN / "rehearsal.yaml"), "rehearsal.yaml"):
        with pytest.raises(NotAllowed):
            plan_below(folder, name)
