"""The `tidegate` command, and the folder in which an installed Tidegate keeps the rest of itself.

`flows`, `tasks`, `blocks`, `engine`, `console` and `demo` are names that other projects have, too. So the wheel puts
them into this folder instead of beside everybody's packages, and only Tidegate's own processes have it on their path.
In a checkout they lie at its top, and nothing is to be done.
"""

import os
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
INSTALLED = (FOLDER / "console").is_dir()


def use_own_packages() -> None:
    """Find Tidegate's packages before others of the same names, here and in whatever this process starts."""
    own = str(FOLDER)
    if not INSTALLED or own in sys.path:
        return
    sys.path.insert(0, own)
    asked = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{own}{os.pathsep}{asked}" if asked else own


def main() -> None:
    """Run the `tidegate` command."""
    use_own_packages()
    from console.cli import main as command

    command()
