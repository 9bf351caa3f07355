"""The demo's checks that a release plan names as commands: a security audit of the service, a test of its split."""

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_SECRET_NAME = re.compile(r"(password|passwd|secret|api_?key|private_?key|access_?token)$", re.IGNORECASE)
_KNOWN_SECRET = re.compile(
    r"AKIA[0-9A-Z]{16}|xox[bp]-[0-9]{6,}|gh[pousr]_[A-Za-z0-9]{30,}|-----BEGIN [A-Z ]*PRIVATE KEY"
)
_SQL = re.compile(r"^\s*(select|insert|update|delete)\s.*\s(from|into|set|where)\s", re.IGNORECASE | re.DOTALL)


def audit(folder: Path) -> Iterator[str]:
    """A sentence for every hardcoded secret and every SQL statement put together from text, below `folder`."""
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        for node in ast.walk(tree):
            for problem in _problems(node):
                yield f"{path.name}:{getattr(node, 'lineno', 0)}: {problem}"


def _problems(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
            if _SECRET_NAME.search(name) and text:
                yield f"a secret is written into {name}"
        case ast.Constant(value=str(text)):
            if _KNOWN_SECRET.search(text):
                yield "a text looks like a key or token"
        case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]):
            if _SQL.match(f"{start} "):
                yield "an SQL statement is put together from text"


def check_split(flags: Path, key: str) -> str:
    """What is wrong with the definition that splits the traffic, or empty."""
    try:
        flag = json.loads(flags.read_bytes())["flags"][key]
        variants, default, targeting = flag["variants"], flag["defaultVariant"], flag.get("targeting", {})
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{flags.name} defines no split of {key} ({type(error).__name__})"
    if set(map(type, variants.values())) != {bool} or default not in variants:
        return f"{flags.name}: the variants of {key} must be switches, and the default one of them"
    if flag.get("state") != "ENABLED":
        return f"{flags.name}: {key} is not enabled"
    weights = re.findall(r'\["(?:on|off)", ([^\]]+)\]', json.dumps(targeting))
    if wrong := [weight for weight in weights if not weight.isdigit()]:
        # Anything else is served as the default to everybody, without a word.
        return f"{flags.name}: found the weight {wrong[0]}, allowed are whole numbers"
    return ""


def main() -> None:
    """Run one check; exit 1 where it finds something."""
    parser = argparse.ArgumentParser(prog="python -m demo.audit", description=__doc__)
    which = parser.add_subparsers(dest="check", required=True)
    which.add_parser("security", help="look for hardcoded secrets and SQL put together from text")
    split = which.add_parser("split", help="check the flag's definition")
    split.add_argument("flags", type=Path)
    split.add_argument("key")
    options = parser.parse_args()
    if options.check == "security":
        found = list(audit(Path(__file__).parent))
        print("\n".join([*found, f"{len(found)} findings"]))
        sys.exit(1 if found else 0)
    problem = check_split(options.flags, options.key)
    print(problem or f"the split of {options.key} is valid")
    sys.exit(1 if problem else 0)


if __name__ == "__main__":
    main()
