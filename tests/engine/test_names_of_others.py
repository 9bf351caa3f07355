"""Keys, groups, attributes and channels of other systems: from a plan through a provider's evaluation to a notice."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks.connections import OpenConnections
from blocks.flags.flagd.flagd_file import FlagdFile
from blocks.journal.block import Journal
from demo.inbox.slack import channel_id
from engine.notices.delivery import deliver
from engine.notices.queueing import notify
from engine.rollback.zero import zero_flag
from engine.rollout.open import new_rollout_name, open_rollout
from engine.rollout.session import OpenRollout, utc_now
from tests.blocks.evaluation import is_on
from tests.engine.inbox import Inbox
from tests.engine.world import DEAD
from tests.permits import put, raise_without_evidence
from tests.tidegate.builders import ANN, plan_of
from tests.tidegate.test_names import GROUPS, KEYS
from tidegate.notices.texts import raised
from tidegate.pages.plan_document import plan_document
from tidegate.pages.progress_page import progress_page
from tidegate.plan.model import Plan

ADA = "ada@example.com"


def a_plan(key: str, channel: str = "#größe") -> Plan:
    """The small plan with names of others: its first wave is for groups that nobody here named."""
    return plan_of(
        {
            "flag.key": key,
            "flag.attribute": "userGroup",
            "flag.always_on": [ADA],
            "flag.always_off": ["a b; rm"],
            "channels": {"progress": channel, "critical": channel},
        }
    )


def begun(folder: Path, inbox: Inbox, plan: Plan) -> OpenRollout:
    """A rollout of it in its first wave."""
    flags, journal = (
        FlagdFile(path=str(folder / "flags.json")),
        Journal(url=SecretStr(f"sqlite:///{folder}/journal.db")),
    )
    via = OpenConnections(journal, flags, DEAD, inbox.slack)
    name = new_rollout_name(plan, "0123abcdef")
    run = open_rollout(via, plan, name, started_by=ANN, pace=None, auto_approve=False, connection_set="default")
    run.keep_claim()
    raise_without_evidence(run, 1)
    return run


@pytest.mark.parametrize("key", KEYS)
def test_from_the_plan_through_evaluation_to_the_notice(tmp_path: Path, inbox: Inbox, key: str) -> None:
    plan, file = a_plan(key), tmp_path / "flags.json"
    run = begun(tmp_path, inbox, plan)
    assert is_on(file, key, "u1", {"userGroup": ADA})
    assert not is_on(file, key, "u1", {"group": ADA})
    assert not is_on(file, key, "u1", {"userGroup": "a b; rm"}, default=True)
    notify(run, raised(plan, run.state))
    assert deliver(run) == 0
    assert [key in str(message["text"]) for message in inbox.slack_in("#größe")] == [True]
    assert {path.name for path in tmp_path.iterdir()} >= {"flags.json", "journal.db"}
    assert all(path.is_relative_to(tmp_path) for path in tmp_path.rglob("*"))
    for page in (plan_document(plan), progress_page(plan, run.state, run.timing, utc_now())):
        assert key in page.replace("\\|", "|")
    assert zero_flag(run.connections, key, run.rollout, utc_now()).problem == ""
    assert not is_on(file, key, "u1", {"userGroup": ADA}, default=True)


def test_a_channel_by_its_id_is_found_again_and_shown_as_reached(tmp_path: Path, inbox: Inbox) -> None:
    by_id = channel_id("alerts-warnings")
    plan = a_plan("newCart", by_id)
    run = begun(tmp_path, inbox, plan)
    inbox.fault["slack"] = "lost"
    notice = raised(plan, run.state)
    notify(run, notice)
    assert deliver(run) == 1
    inbox.fault.clear()
    assert deliver(run) == 0
    assert len(inbox.slack_in("#alerts-warnings")) == 1
    seen = inbox.slack.channels([by_id, "#alerts-warnings", "#nowhere"])
    assert (seen[by_id], seen["#nowhere"]) == (seen["#alerts-warnings"], None)
    assert seen[by_id] is not None


@pytest.mark.parametrize("key", ["k" * 255, "ß" * 255])
def test_the_longest_key_has_a_fence_on_the_disk(tmp_path: Path, inbox: Inbox, key: str) -> None:
    begun(tmp_path, inbox, a_plan(key))
    folders = [path.name for path in (tmp_path / "flags.json.tidegate").iterdir() if path.is_dir()]
    assert [len(name.encode()) <= 255 for name in folders] == [True]


@pytest.mark.parametrize("group", GROUPS)
def test_whatever_a_group_is_called_its_users_are_in_and_its_name_does_nothing(tmp_path: Path, group: str) -> None:
    file, key = tmp_path / "flags.json", "newCart"
    plan = plan_of({"flag.key": key, "flag.always_on": [group]})
    backend = FlagdFile(path=str(file))
    backend.fence(key, 1)
    put(backend, key, plan.exposure_at(1), 1)
    assert is_on(file, key, "u1", {"group": group})
    assert json.loads(file.read_text())["flags"].keys() == {key}
