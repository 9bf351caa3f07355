"""A canary secret in every secret field of the kit, through a whole rollout: nothing that is left of it may hold it."""

import base64
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import quote, quote_plus

import psycopg
import pytest
import yaml
from prefect import flow
from prefect.client.orchestration import get_client

from blocks import read_kit
from blocks.connections import OpenConnections
from engine.exposure.raise_exposure import raise_exposure
from engine.gates.gate import decide_gate, open_gate
from engine.gates.read_answer import take_answer
from engine.notices.delivery import deliver
from engine.notices.reporter import reporter_for
from engine.preflight.checks import preflight_checks, run_checks
from engine.rollback.full_rollback import full_rollback
from engine.rollback.rollback import prove, roll_back
from engine.rollout.evaluation import evaluate
from engine.rollout.open import open_rollout
from engine.rollout.session import OpenRollout, utc_now
from flows.preflight import look_before
from tests.blocks.test_canary_secret import CANARY, USER
from tests.blocks.test_canary_secret import FORMS as FEW_FORMS
from tests.console.canary_world import QUOTED, World, canaries, parrot
from tests.console.conftest import Run
from tests.console.dashboards import browser
from tests.tidegate.builders import ANN, BOB, STARTER
from tidegate.gates.approval import Answer
from tidegate.gates.statements import field_name, statements
from tidegate.journal.bodies.body_registry import body_from_json
from tidegate.journal.kinds import Kind
from tidegate.journal.state import Phase
from tidegate.values.exposure import ZERO

__all__ = ["canaries", "parrot"]
FORMS = {
    *FEW_FORMS,
    quote_plus(CANARY),
    quote(CANARY),
    json.dumps(CANARY)[1:-1].replace("/", "\\/"),
    *(
        code(f"{before}{secret}".encode()).decode().rstrip("=")
        for before in ("", f"{USER}:", f"\0{USER}\0")
        for secret in (CANARY, QUOTED)
        for code in (base64.b64encode, base64.urlsafe_b64encode)
    ),
}


def the_rollout(world: World, via: OpenConnections, name: str) -> OpenRollout:
    return open_rollout(
        via, world.plan, name, started_by=STARTER, pace=None, auto_approve=False, connection_set="default"
    )


def in_a_run(work: Callable[[], OpenRollout]) -> OpenRollout:
    """As the body of a real run, whose artifacts and log go to Prefect's server."""
    done: list[OpenRollout] = []

    @flow(name="canary")
    def body() -> None:
        done.append(work())

    body()
    return done[0]


def sent_while_broken_and_after(world: World, run: OpenRollout) -> None:
    for broken in (True, False):
        world.way.broken = broken
        run.keep_claim()
        deliver(run)


def through_everything(world: World) -> OpenRollout:
    """Preflight, gate, raise, evaluations and rollback, each while everything repeats the secrets and while it works."""
    via = read_kit(world.kit)
    world.way.broken = True
    refused = the_rollout(world, via, "canary-0")
    look_before(refused, reporter_for(refused), timedelta(0))
    assert refused.refresh().phase is Phase.CLOSED
    world.way.broken = False
    deliver(refused)
    refused.release_claim()

    run = the_rollout(world, via, "canary-1")
    run.wait_for_claim()
    checks = preflight_checks(via, world.plan, run.timing, started_by=STARTER, now=utc_now())
    found = run_checks(checks)
    unlike = [f"{f.criterion}: {f.sentence}" for f in found if f.verdict.value not in ("PASS", "NOT_APPLICABLE")]
    assert [each for each in unlike if not each.startswith("cache: ")] == []
    run.append(body_from_json(Kind.PREFLIGHT, {"verdict": "PASS", "findings": [f.to_json() for f in found]}))
    for broken in (True, False):
        world.way.broken = broken
        gate = open_gate(run, 1, "00000000-0000-0000-0000-000000000000")
        boxes = {field_name(s.key): True for s in statements(run.plan, 1)}
        take_answer(run, 1, gate.attempt, {"decision": "go", "approver": ANN, "note": "", **boxes}, utc_now())
        answered = run.state.gate
        if answered is not None and answered.answer is not None and not answered.outcome:
            decide_gate(run, 1, answered.attempt, Answer.from_json(answered.answer))
        if run.refresh().votes.approved_wave == 1:
            break
    world.way.broken = True
    with suppress(Exception):
        raise_exposure(run, 1)
    world.way.broken = False
    if run.refresh().wave != 1:
        raise_exposure(run, 1)
    reporter = reporter_for(run)
    for broken in (False, True, True, False):
        world.way.broken = broken
        evaluate(run, utc_now(), review=True)
        reporter.update(run, utc_now())
        reporter.flush()
    sent_while_broken_and_after(world, run)
    world.way.broken = True
    roll_back(run, reason="customers call", criterion="by hand", by=BOB)
    full_rollback(run, by=BOB)
    sent_while_broken_and_after(world, run)
    prove(run)
    sent_while_broken_and_after(world, run)
    reporter_for(run).conclude(run)
    reporter.flush()
    run.release_claim()
    assert via.flags.read(run.flag).exposure == ZERO
    return run


def pages(world: World, run: OpenRollout) -> Iterator[str]:
    """The dashboard as a browser gets it, while the other sides work and while they do not."""
    for broken in (False, True):
        world.way.broken = broken
        seen = browser(read_kit(world.kit))
        for path in ("/", f"/rollouts/{run.rollout}", f"/rollouts/{run.rollout}/orders", f"/rollouts/{run.rollout}/json",
                     "/rollouts/canary-0", "/metrics", "/rollouts/no-such"):  # fmt: skip
            answer = seen.http.get(path)
            yield f"{answer.headers} {answer.text}"


def printed(world: World, run: OpenRollout, typed: Run) -> Iterator[str]:
    """What the commands print about it, and of a kit that is partly wrong."""
    world.way.broken = True
    plan_file = world.folder / "plan.yaml"
    plan_file.write_text(yaml.safe_dump(json.loads(world.plan.model_dump_json(by_alias=True, exclude_none=True))))
    for arguments in (
        ("status", run.rollout), ("status", run.rollout, "--json"), ("journal", "show", run.rollout), ("journal", "verify"),
        ("report", run.rollout, "standup"), ("report", run.rollout, "costs"), ("report", run.rollout, "close-out"),
        ("postmortem", run.rollout), ("preflight", str(plan_file), "--as", STARTER),
        ("rollback", run.rollout, "--as", BOB, "--reason", "again"), ("explain", run.rollout), ("plan", "check", str(plan_file)),
    ):  # fmt: skip
        yield " ".join(map(str, typed(*arguments)))
    world.way.broken = False


def rows(world: World) -> Iterator[str]:
    """Everything that stands in the journal's database, read past all of our code."""
    with psycopg.connect(world.database) as database:
        tables = database.execute("select table_name from information_schema.tables where table_schema = 'public'")
        for (table,) in tables.fetchall():
            yield from (str(row) for row in database.execute(f'select * from "{table}"').fetchall())


def in_prefect() -> Iterator[str]:
    """The artifacts, the runs and their logs."""
    with get_client(sync_client=True) as client:
        for what in ("artifacts", "logs", "flow_runs", "task_runs"):
            found = client._client.post(f"/{what}/filter", json={"limit": 200}).json()
            assert found or what == "task_runs", f"no {what}"
            if what == "artifacts":
                assert any(each["key"] == "rollout-canary-1" for each in found)
            yield json.dumps(found)


def files(world: World) -> Iterator[str]:
    """Every file that was left beside the kit."""
    for path in world.folder.rglob("*"):
        if path.is_file() and path != world.kit:
            yield f"{path}: {path.read_bytes().decode(errors='replace')}"


def assert_none_in(what: str, texts: Iterator[str] | list[str]) -> int:
    count = 0
    for text in texts:
        count += 1
        found = [form for form in FORMS if form in text]
        at = text.find(found[0]) if found else 0
        assert not found, f"{what}: {text[max(0, at - 200) : at + 200]}"
    assert count, f"{what}: nothing was searched"
    return count


def secret_fields(via: OpenConnections) -> set[str]:
    """The kit's secret fields, as the blocks themselves name them."""
    return {
        f"{part}.{name}"
        for part, block in via.present()
        for name, known in type(block).model_fields.items()
        if "SecretStr" in str(known.annotation)
    }


def holding_it(via: OpenConnections) -> set[str]:
    """The secret fields that hold the canary."""

    def clear(value: Any) -> str:
        if isinstance(value, dict):
            return " ".join(map(clear, value.values()))
        return value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)

    parts = dict(via.present())
    return {
        name
        for name in secret_fields(via)
        if any(form in clear(getattr(parts[name.split(".")[0]], name.split(".")[1])) for form in (CANARY, QUOTED))
    }


@pytest.mark.timeout(280)
def test_no_canary_is_left_of_a_whole_rollout(
    canaries: World,
    prefect_server: None,
    run: Run,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    via = read_kit(canaries.kit)
    other_way = {"prometheus.token"} if "password" in canaries.values["prometheus"] else {"prometheus.password"}
    assert secret_fields(via) - holding_it(via) == other_way
    ended = in_a_run(lambda: through_everything(canaries))
    assert ended.refresh().phase is Phase.ROLLED_BACK

    sent = canaries.way.sent()
    whole = base64.b64encode(f"{USER}:{CANARY}".encode()).decode()
    for flew in (f"'Proxy-Authorization': 'Basic {whole}'", f"Bearer {CANARY}", f"OAuth {CANARY}", f"'X-Gate': '{CANARY}'",
                 f"'X-Api-Key': '{CANARY}'", f'"routing_key": "{CANARY}"'):  # fmt: skip
        assert flew.lower() in sent.lower(), f"{flew} never flew: this proves nothing of it"
    assert any(CANARY in each for each in canaries.mail.logged_in)
    assert canaries.mail.letters
    assert canaries.inbox.store.all("slack")
    assert canaries.inbox.store.all("pagerduty")

    assert_none_in("journal", rows(canaries))
    for part in ("slack", "pagerduty", "mail", "status"):
        messages = [
            json.dumps({k: v for k, v in message.items() if k != "routing_key"}, default=str)
            for message in canaries.inbox.store.all(part)
        ]
        if messages:
            assert_none_in(part, messages)
    assert_none_in("mail", [letter.decode(errors="replace") for letter in canaries.mail.letters])
    assert_none_in("dashboard", pages(canaries, ended))
    assert_none_in("commands", printed(canaries, ended, run))
    assert_none_in("Prefect", in_prefect())
    assert_none_in("files", files(canaries))
    shown = capsys.readouterr()
    assert_none_in("logs", [caplog.text, shown.out, shown.err])
