"""Cohorts are those of the flag's own buckets, known before the flag is on; the twenty lines of the docs do the same."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from prometheus_client import REGISTRY

from blocks.flags.flagd.flagd_file import FlagdFile
from demo.batch_patches.cohorts import NAMES, FirstSeen, cohort_of, cohorts_of_group
from demo.batch_patches.flag import FLAG, Flag, write_initial_flag
from tests.e2e.waiting import wait_for
from tests.permits import put
from tidegate.values.exposure import Exposure, Layer

DOCS = Path(__file__).parents[2] / "docs" / "cohorts.md"
USERS = tuple(f"u{number:05}" for number in range(1, 1001))
# By the wave's share: the cohorts that are in.
IN = {10: NAMES[:1], 25: NAMES[:2], 50: NAMES[:3], 100: NAMES}


@pytest.fixture
def flags(tmp_path: Path) -> Iterator[FlagdFile]:
    yield FlagdFile(path=str(tmp_path / "flags.json"))
    api.shutdown()


def expose(flags: FlagdFile, key: str, percent: int) -> None:
    flags.fence(key, 1)
    put(flags, key, Exposure((Layer("everyone", None, percent),) if percent else ()), 1)


def test_a_share_of_the_flag_is_whole_cohorts_and_nobody_changes_theirs(flags: FlagdFile) -> None:
    path = Path(flags.path)
    write_initial_flag(path)
    flag = Flag(path)
    before = {user: cohort_of(FLAG, user) for user in USERS}
    assert not any(flag.assign(user, "general").on for user in USERS)
    for percent, cohorts in IN.items():
        expose(flags, FLAG, percent)
        wait_for(lambda p=percent: f'"percent":{p}' in str(flag.assign("u", "").exposure).replace(".0", ""), 2, "read")
        assert {user for user in USERS if flag.assign(user, "general").on} == {
            user for user, cohort in before.items() if cohort in cohorts
        }
    assert {user: cohort_of(FLAG, user) for user in USERS} == before
    assert 0.08 < sum(cohort == "0-10" for cohort in before.values()) / len(USERS) < 0.12


def test_groups_that_are_moved_by_name_are_in_no_share() -> None:
    assert {cohort_of(FLAG, user, "synthetic") for user in USERS} == set(cohorts_of_group("synthetic")) == {"none"}
    assert {cohort_of(FLAG, user, "synthetic-control") for user in USERS} == {"control"}
    assert cohorts_of_group("beta") == NAMES


def test_each_user_is_first_once_in_an_exposure() -> None:
    users = FirstSeen()
    assert [users.is_first(user, "10%") for user in ("ann", "bob", "ann")] == [True, True, False]
    assert not users.is_first("eve", None)
    assert not users.is_first("ann", "10%")
    assert [users.is_first(user, "25%") for user in ("ann", "ann")] == [True, False]


def test_the_twenty_lines_of_the_docs_do_what_they_say(flags: FlagdFile) -> None:
    [code] = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    shop: dict[str, Any] = {}
    exec(compile(code, str(DOCS), "exec"), shop)
    key = shop["FLAG"]

    def counted(name: str) -> dict[tuple[str, str], float]:
        return {
            (path, cohort): REGISTRY.get_sample_value(name, {"path": path, "cohort": cohort}) or 0.0
            for path in ("new", "legacy")
            for cohort in NAMES
        }

    labels = {"path": "new", "cohort": "0-10", "outcome": "error"}
    assert REGISTRY.get_sample_value("shop_requests_total", labels) == 0
    expose(flags, key, 0)
    Flag(Path(flags.path))  # sets the provider; a service does that once when it starts
    wait_for(lambda: api.get_client().get_boolean_details(key, False).flag_metadata, 2, "it can be evaluated")
    before = {user: shop["route"](user) for user in USERS}
    assert {path for path, _ in before.values()} == {"legacy"}
    assert {cohort for _, cohort in before.values()} == set(NAMES)
    assert sum(counted("shop_users_total").values()) == len(USERS)
    expose(flags, key, 25)
    wait_for(lambda: "new" in {shop["route"](user)[0] for user in USERS[:100]}, 2, "the flag is read")
    for user, (_, cohort) in before.items():
        assert shop["route"](user) == ("new" if cohort in IN[25] else "legacy", cohort)
        shop["route"](user)
    again = counted("shop_users_total")
    assert sum(again.values()) == 2 * len(USERS)
    assert again["new", "25-50"] == again["new", "50-100"] == 0
    assert again["new", "0-10"] == sum(cohort == "0-10" for _, cohort in before.values())
