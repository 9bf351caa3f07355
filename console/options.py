"""Options that several commands have. Needs no Prefect."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
