"""Writes the table of a kit's parts into docs/connections.md anew: `python scripts/parts_table.py`."""

import re
from pathlib import Path

from blocks.parts import parts_table

PAGE = Path(__file__).parents[1] / "docs/connections.md"
_PLACE = re.compile(r"(<!-- parts: [^\n]*-->\n).*?(<!-- /parts -->)", re.DOTALL)


def with_table(page: str) -> str:
    """The page with the table as it is now."""
    return _PLACE.sub(lambda found: f"{found[1]}{parts_table()}{found[2]}", page)


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
