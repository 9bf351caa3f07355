"""The folder of plans: where a plan is looked for by its name, on the command line and by a worker."""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from blocks.connection import Connection
from blocks.errors import Refused

_OF_A_PLAN = re.compile(rb"^(waves|extends)\s*:", re.MULTILINE)
_MOST_READ = 1_000_000  # bytes of one file


class Plans(Connection):
    """A folder of plans, at the same path wherever one of them is started by its name."""

    _block_type_name: ClassVar[str | None] = "Tidegate Plans"
    _block_type_slug: ClassVar[str | None] = "tidegate-plans"
    _description: ClassVar[str | None] = "The folder of the plans that may be started by their name."

    folder: str = Field(description="The folder; a plan's name is its path below it.", pattern=r"^/")

    def check(self) -> str:
        """A sentence saying what was found; raises Refused."""
        if not os.access(self.folder, os.R_OK | os.X_OK) or not Path(self.folder).is_dir():
            raise Refused(f"{self.folder}: there is no such folder, or it cannot be read")
        found = len(plan_files(Path(self.folder)))
        return f"{found} plan{'' if found == 1 else 's'} in {self.folder}"


def plan_files(folder: Path) -> list[Path]:
    """The files below the folder that look like plans: those with waves, or with a plan that they extend."""
    found = []
    for path in sorted(folder.rglob("*.yaml")):
        with suppress(OSError), path.open("rb") as file:
            if _OF_A_PLAN.search(file.read(_MOST_READ)):
                found.append(path)
    return found
