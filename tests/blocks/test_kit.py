"""The kit file and the block documents: the same connections from either, and no secret in any error."""

import inspect
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.blocks.core import Block
from prefect.testing.standard_test_suites import BlockStandardTestSuite

from blocks import FlagdFile, KitError, prefect_blocks, read_kit, write_kit
from blocks.kit_values import kit_values, zero_kit

SECRET = "s3cr3t-value"
EXPORTED = [kind for _, kind in inspect.getmembers(prefect_blocks, inspect.isclass) if issubclass(kind, Block)]


@pytest.fixture
def values(tmp_path: Path) -> dict[str, dict[str, Any]]:
    return {
        "journal": {"url": f"sqlite:///{tmp_path}/journal.db", "environment": "rehearsal"},
        "flags": {"path": str(tmp_path / "flags.json"), "environment": "rehearsal"},
        "prometheus": {"url": "http://127.0.0.1:9090", "environment": "rehearsal"},
        "slack": {"token": SECRET, "environment": "rehearsal"},
    }


def test_what_is_written_is_read(tmp_path: Path, values: dict[str, dict[str, Any]]) -> None:
    path = tmp_path / "kit.yaml"
    write_kit(path, values)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kit = read_kit(path)
    assert kit.slack is not None
    assert kit.slack.token.get_secret_value() == SECRET
    assert isinstance(kit.flags, FlagdFile)
    assert (kit.pagerduty, kit.mail) == (None, None)
    assert [part for part, _ in kit.present()] == ["journal", "flags", "prometheus", "slack"]
    assert "0 rollouts" in kit.journal.check()
    kit.close()


def test_values_that_two_parts_share_are_written_for_each(tmp_path: Path, values: dict[str, dict[str, Any]]) -> None:
    headers = {"X-Scope-OrgID": SECRET}
    path = tmp_path / "kit.yaml"
    write_kit(path, {**values, **{part: {**values[part], "headers": headers} for part in ("prometheus", "slack")}})
    kit = read_kit(path)
    assert kit.slack is not None
    assert kit.slack.sent_headers() == kit.prometheus.sent_headers() == headers


def test_a_rehearsal_needs_every_connection_to_say_so(tmp_path: Path, values: dict[str, dict[str, Any]]) -> None:
    write_kit(tmp_path / "kit.yaml", values)
    assert read_kit(tmp_path / "kit.yaml").is_rehearsal
    for part, fields in values.items():
        changed = {**values, part: {k: v for k, v in fields.items() if k != "environment"}}
        write_kit(tmp_path / "kit.yaml", changed)
        assert not read_kit(tmp_path / "kit.yaml").is_rehearsal


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_kit_that_others_can_read_is_refused(tmp_path: Path, values: dict[str, dict[str, Any]], mode: int) -> None:
    path = tmp_path / "kit.yaml"
    write_kit(path, values)
    path.chmod(mode)
    with pytest.raises(KitError, match="allowed is 0600"):
        read_kit(path)


@pytest.mark.parametrize(
    ("part", "change", "wanted"),
    [
        ("slack", {"token": None}, "slack.token: found a value"),
        ("slack", {"token": [SECRET]}, "slack.token: found a value"),
        (
            "slack",
            {"tokne": SECRET},
            "slack.tokne: no such field, allowed are environment, ca_file, proxy, headers, token",
        ),
        (
            "slack",
            {"timeout_seconds": -1},
            "slack.timeout_seconds: found -1, allowed is: input should be greater than 0",
        ),
        ("prometheus", {"url": "ftp://x"}, "prometheus.url: found 'ftp://x'"),
        ("journal", {"environment": "staging"}, "journal.environment: found 'staging'"),
        ("flags", {"block": "no-such-type"}, "flags.block: found 'no-such-type', allowed is tidegate-flagd-file"),
        ("flags", {"block": "tidegate-slack", "path": None}, "flags.path: no such field"),
        ("plags", {"path": "x"}, "found the part 'plags'"),
    ],
)
def test_a_wrong_kit_is_refused_in_one_sentence(
    tmp_path: Path, values: dict[str, dict[str, Any]], part: str, change: dict[str, Any], wanted: str
) -> None:
    with pytest.raises(KitError) as raised:
        write_kit(tmp_path / "kit.yaml", {**values, part: {**values.get(part, {}), **change}})
    assert wanted in str(raised.value)
    assert str(raised.value).startswith(f"{tmp_path / 'kit.yaml'}: ")
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "kit.yaml").exists()


def test_what_is_missing_is_named(tmp_path: Path, values: dict[str, dict[str, Any]]) -> None:
    without = {part: fields for part, fields in values.items() if part != "prometheus"}
    with pytest.raises(KitError, match="prometheus is missing"):
        write_kit(tmp_path / "kit.yaml", without)
    with pytest.raises(KitError, match=r"prometheus\.url: found nothing"):
        write_kit(tmp_path / "kit.yaml", {**values, "prometheus": {}})
    with pytest.raises(KitError, match="cannot serve as flags"):
        write_kit(tmp_path / "kit.yaml", {**values, "flags": {"block": "tidegate-slack", "token": SECRET}})


@pytest.mark.parametrize(
    "content", [f"slack: {{token: {SECRET}", "", "- a", f"slack: '{SECRET}\n", "slack: !!python/object:x {}"]
)
def test_what_is_no_kit(tmp_path: Path, content: str) -> None:
    path = tmp_path / "kit.yaml"
    path.touch(0o600)
    path.write_text(content)
    with pytest.raises(KitError) as raised:
        read_kit(path)
    assert SECRET not in str(raised.value)
    with pytest.raises(KitError, match="cannot be read"):
        read_kit(tmp_path / "absent.yaml")


def kit_of(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "kit.yaml"
    path.touch(0o600)
    path.write_text(text)
    return path


_GOOD = """\
journal: {url: "sqlite:////tmp/journal.db"}
flags: {path: /tmp/flags.json}
prometheus: {url: "http://127.0.0.1:9"}
"""


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("flags: {path: /tmp/other.json}", "kit.yaml:4: flags: stands twice (first on line 2), allowed is once"),
        ("mail: {port: 0465}", "kit.yaml:4: mail.port: found a value (not shown) without quotes"),
        ("mail: {port: 1:05}", "kit.yaml:4: mail.port: found a value (not shown) without quotes"),
        ("mail: {host: 2026-02-31}", "kit.yaml:4: mail.host: found a value (not shown) without quotes"),
        ("mail: {starttls: off}", "kit.yaml:4: mail.starttls: found a value (not shown) without quotes"),
        (f"slack: {{token: *{SECRET}}}", "kit.yaml:4: slack.token: found the alias a value (not shown)"),
        (f"slack: {{token: &{SECRET} x}}", "kit.yaml:4: slack.token: found the anchor a value (not shown)"),
        (f"slack: {{token: !{SECRET} x}}", "kit.yaml:4: slack.token: found the tag a value (not shown)"),
        ("---\nslack: {token: x}", "found a second document, allowed is one per file"),
    ],
)
def test_nothing_in_a_kit_is_guessed(tmp_path: Path, line: str, wanted: str) -> None:
    path = kit_of(tmp_path, f"{_GOOD}{line}\n")
    with pytest.raises(KitError) as raised:
        read_kit(path)
    assert wanted in str(raised.value)
    assert SECRET not in str(raised.value)
    assert "0465" not in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_zero_needs_only_its_own_parts_to_be_in_order(tmp_path: Path) -> None:
    assert zero_kit(kit_of(tmp_path, f"{_GOOD}mail: {{port: 0465, starttls: off}}\n")) is not None
    assert zero_kit(kit_of(tmp_path, f"{_GOOD}flags: {{path: /tmp/other.json}}\n")) is None, "which of them?"


@pytest.mark.parametrize(
    "text", ["no", "y", "0465", "1:05", "2026-02-31", "12", "1.5", "~", "", "*a", "a: b", "ä", " x"]
)
def test_a_text_that_looks_like_something_else_is_read_back_as_text(
    tmp_path: Path, values: dict[str, dict[str, Any]], text: str
) -> None:
    path = tmp_path / "kit.yaml"
    write_kit(path, {**values, "slack": {"token": f"{text}"}})
    assert kit_values(path)["slack"] == {"token": text}


@pytest.mark.parametrize("kind", EXPORTED, ids=lambda kind: kind.__name__)
class TestStandard(BlockStandardTestSuite):
    """Prefect's own suite; a picture and a page on the internet are not ours to offer."""

    test_has_a_valid_image = None  # type: ignore[assignment]
    test_has_a_documentation_url = None  # type: ignore[assignment]

    @pytest.fixture
    def block(self, kind: type[Block]) -> type[Block]:
        return kind


def test_every_block_has_a_stable_slug() -> None:
    parts = {"journal", "flagd-file", "prometheus", "slack", "pagerduty", "mail", "connections"}
    parts |= {"commands", "web", "evidence", "plans"}
    parts |= {"nginx-split", "cache", "command-flag", "http-flag", "launchdarkly", "growthbook", "status-page"}
    parts |= {"haproxy-flag", "haproxy-split", "nginx-flag", "ofrep", "unleash", "teams", "webhook", "sign-in"}
    assert {kind.get_block_type_slug() for kind in EXPORTED} == {f"tidegate-{part}" for part in parts}


def test_importing_the_blocks_brings_no_client() -> None:
    clients = "slack_sdk, pdpyras, prometheus_api_client, openfeature, pandas"
    code = f"import sys, blocks; print([name for name in '{clients}'.split(', ') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_without_a_server_blocks_are_unreachable(dead_port: int) -> None:
    code = (
        "from blocks import load_connections\nfrom blocks.errors import Unreachable\n"
        "try: load_connections('x')\nexcept Unreachable as fault: print('unreachable')"
    )
    environment = {**os.environ, "PREFECT_API_URL": f"http://127.0.0.1:{dead_port}/api"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout == "unreachable\n", done.stderr[-2000:]


def test_the_file_is_plain_yaml(tmp_path: Path, values: dict[str, dict[str, Any]]) -> None:
    write_kit(tmp_path / "kit.yaml", values)
    assert yaml.safe_load((tmp_path / "kit.yaml").read_text()) == values
