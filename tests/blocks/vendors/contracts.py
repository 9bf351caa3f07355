"""The vendors' own interface descriptions, read from where they are kept: nothing of them is in this repository.

`TIDEGATE_CONTRACTS` names their folder, by default `../shared/contracts` beside the checkout. Without it the tests run
all the same, and a warning says that no call to these vendors was judged.
"""

import gzip
import hashlib
import json
import os
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from openapi_core import OpenAPI

from demo.provision import cache_folder
from tests.blocks.vendors import cut_contract

VARIABLE = "TIDEGATE_CONTRACTS"
BESIDE = Path(__file__).parents[3].parent / "shared" / "contracts"
CACHE = cache_folder() / "contracts"


@cache
def contract(vendor: str) -> OpenAPI | None:
    """What the vendor says of the operations that are used; None where there is no folder of descriptions."""
    folder = _folder(os.environ.get(VARIABLE) or str(BESIDE))
    return None if folder is None else OpenAPI.from_dict(kept_cut(vendor, folder, CACHE))


@cache
def _folder(named: str) -> Path | None:
    if Path(named).is_dir():
        return Path(named)
    warnings.warn(
        f"NO CALL TO LAUNCHDARKLY AND GROWTHBOOK WAS JUDGED: there is no folder {named} of their interface descriptions; "
        f"name it by {VARIABLE}",
        stacklevel=2,
    )
    return None


def kept_cut(vendor: str, folder: Path, kept: Path) -> dict[str, Any]:
    """The cut of the folder's description, kept by what it was cut from and by what."""
    packed = (folder / f"{vendor}-openapi.yaml.gz").read_bytes()
    code = Path(cut_contract.__file__).read_bytes()
    digest = hashlib.sha256(hashlib.sha256(packed).digest() + hashlib.sha256(code).digest()).hexdigest()
    path = kept / f"{vendor}-{digest}.json"
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    whole = yaml.load(gzip.decompress(packed), yaml.CSafeLoader)
    # Text first: what was kept and what was cut just now are the same.
    text = json.dumps(cut_contract.cut(vendor, whole), sort_keys=True)
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=kept, encoding="utf-8", delete=False) as file:
        file.write(text)
    Path(file.name).replace(path)
    again: dict[str, Any] = json.loads(text)
    return again
