"""The judge itself, on a tiny description that is nobody's; and what is read where descriptions are kept, or are not."""

import gzip
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from openapi_core import OpenAPI

from tests.blocks.vendors import contracts, cut_contract
from tests.blocks.vendors.judged_server import Call, judged_by

_COUNT = {"type": "object", "required": ["count"], "properties": {"count": {"type": "integer"}}}
_CONTENT = {"application/json": {"schema": {"$ref": "#/components/schemas/Count"}}}
_PUT = {
    "description": "Counts.",
    "requestBody": {"required": True, "content": _CONTENT},
    "responses": {"200": {"description": "Counted.", "content": _CONTENT}},
}
TINY: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Tiny", "version": "1"},
    "paths": {"/things/{id}": {"parameters": [], "put": _PUT, "get": _PUT}, "/others": {"get": _PUT}},
    "components": {"schemas": {"Count": _COUNT, "Unused": {"type": "string"}}},
}
TINY["paths"]["/things/{id}"]["parameters"] = [
    {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
]


def _put(url: str, body: Any) -> None:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/things/a", json.dumps(body).encode(), headers, method="PUT")
    urllib.request.urlopen(request, timeout=20).close()


def _judged(description: OpenAPI | None, body: Any, answer: Any) -> None:
    with judged_by(description, "", lambda _: (200, answer)) as server:
        _put(server.url, body)


def test_a_right_call_passes_and_a_wrong_one_or_a_wrong_answer_is_found() -> None:
    tiny = OpenAPI.from_dict(TINY)
    _judged(tiny, {"count": 1}, {"count": 2})
    with pytest.raises(AssertionError, match="PUT /things/a .*'many' is not of type 'integer'"):
        _judged(tiny, {"count": "many"}, {"count": 2})
    with pytest.raises(AssertionError, match="200 to PUT /things/a.*'count' is a required property"):
        _judged(tiny, {"count": 1}, {})
    _judged(None, {"count": "many"}, {})


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process."""
    for read in ("contract", "_folder"):
        monkeypatch.setattr(contracts, read, getattr(contracts, read).__wrapped__)


def test_a_folder_that_is_not_there_is_said_and_nothing_is_judged(
    forgetful: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(contracts.VARIABLE, f"{tmp_path}/none")
    with pytest.warns(UserWarning, match=f"JUDGED: there is no folder {tmp_path}/none .* by TIDEGATE_CONTRACTS"):
        assert contracts.contract("launchdarkly") is None


def test_a_folder_without_the_description_is_an_error(
    forgetful: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(contracts.VARIABLE, str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"growthbook-openapi\.yaml\.gz"):
        contracts.contract("growthbook")


def test_a_description_is_cut_once_and_anew_once_it_is_another(
    forgetful: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder, kept = tmp_path / "folder", tmp_path / "kept"
    folder.mkdir()
    monkeypatch.setattr(cut_contract, "OPERATIONS", {"tiny": {"/things/{id}": ("put",)}})
    monkeypatch.setattr(contracts, "CACHE", kept)
    monkeypatch.setenv(contracts.VARIABLE, str(folder))

    def describe(title: str) -> None:
        # JSON is YAML.
        text = json.dumps(TINY | {"info": {"title": title, "version": "1"}})
        (folder / "tiny-openapi.yaml.gz").write_bytes(gzip.compress(text.encode()))

    describe("Tiny")
    found = contracts.kept_cut("tiny", folder, kept)
    assert [*found["paths"]] == ["/things/{id}"]
    assert sorted(found["paths"]["/things/{id}"]) == ["parameters", "put"]
    assert [*found["components"]["schemas"]] == ["Count"]
    (file,) = kept.iterdir()
    file.write_text(file.read_text().replace("Tiny", "Kept"))
    assert contracts.kept_cut("tiny", folder, kept)["info"]["title"] == "Kept"
    describe("Other")
    assert contracts.kept_cut("tiny", folder, kept)["info"]["title"] == "Other"
    assert len([*kept.iterdir()]) == 2

    description = contracts.contract("tiny")
    assert description is not None
    with judged_by(description, "", lambda _: (200, {"count": 1})) as server:
        headers = {"Content-Type": "application/json"}
        assert server.violation(Call("PUT", "/things/a", {}, headers, b"{}"))
        assert not server.violation(Call("PUT", "/things/a", {}, headers, b'{"count": 1}'))
