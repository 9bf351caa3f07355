"""The rollback by hand: every step of the plan stands on the card, done as the connections say or named for people."""

from pathlib import Path

from tidegate.pages.emergency_card import Hands, emergency_card
from tidegate.plan.loading.loader import load_plan

PLAN = load_plan(Path(__file__).parents[2] / "plans" / "batch-patches-v1.yaml", Path.read_bytes)
HANDS = Hands(
    flag_off="flagctl off batch-patches-v1",
    prometheus="https://prometheus.example.com",
    to_legacy="reload-legacy",
    commands={"stop-new-service": ("systemctl", "stop", "new path"), "restore-snapshot": ("restore", "{snapshot}")},
    sources={"legacy-health": "http://legacy/health"},
)


def test_with_its_connections_each_step_is_a_command() -> None:
    card = emergency_card(PLAN, HANDS)
    for command in (
        "flagctl off batch-patches-v1",
        "curl -sG https://prometheus.example.com/api/v1/query --data-urlencode 'query=sum(batch_patches_total{path=\"new\"})'",
        "reload-legacy",
        "systemctl stop 'new path'",
        "redis-cli -n 0 FLUSHDB",
        "restore '{snapshot}'",
        "curl -si http://legacy/health",
    ):
        assert f"```sh\n{command}\n```" in card, command
    assert "Patches recorded since the snapshot are lost." in card
    assert all(contact.email in card for contact in PLAN.contacts)


def test_without_them_it_names_what_people_must_know() -> None:
    card = emergency_card(PLAN, Hands())
    assert "```sh\nredis-cli" in card
    assert card.count("```sh") == 1
    for words in ("off for everybody, always-on groups included", "call `stop-new-service`", "call `legacy-health`"):
        assert words in card
    assert [step.text for step in PLAN.rollback.full if f". {step.text}" not in card] == []
