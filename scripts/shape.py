"""The shape of the code in figures: files a folder, import circles, names that mean several things, words left over.

`python scripts/shape.py [ROOT]`: of this checkout, or of another one, for a comparison before and after.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("tidegate", "blocks", "engine", "tasks", "flows", "console")
# Words that the field has better ones for; a plan's own text may hold them.
OLD_WORDS = re.compile(
    r"(?<![a-z])(way[ _]back|turn(?:ed|s|ing)?[ _]back|blind(?:ness)?|sighted|without sight|starv(?:ed|ation)"
    r"|tick(?:s|ed|ing)?|beat|told|spill)(?![a-z])",
    re.IGNORECASE,
)
# In these `tick` is the plan's own word for the span that one count covers (`tick: 5m` of a comparison), and no look.
COUNTS = re.compile(
    r"tidegate/(statistics|criteria/comparisons)/|tidegate/criteria/(base|stances)\.py"
    r"|tidegate/backtest/(replay/(counted|slower)|compared_result)\.py"
    r"|tidegate/(journal/records|explain/curves|pages/journal_lines)\.py"
    r"|engine/(measuring/(counts|answers)|preflight/comparisons)\.py"
)
TABLE_OF_OLD_WORDS = "tidegate/values/older_words.py"  # what journals of earlier releases say
# Whose functions share names for a reason: a command is declared without imports and done elsewhere, as a flow has the
# name of what it runs; and every flag system's rules answer the same questions.
SHARED = re.compile(r"^(console\.(arguments|commands|approvers|rollback|live|local_stack)|flows|tasks|blocks\.flags)\.")


def modules(root: Path) -> dict[str, Path]:
    """Every module of the product by its dotted name."""
    found = (path for package in PACKAGES for path in (root / package).rglob("*.py"))
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in found}


def imports(tree: ast.Module, known: set[str]) -> Iterator[str]:
    """What a module imports, inside functions and for types alone, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one module (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            part = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(part) > 1:
                found.append(sorted(part))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def main(root: Path) -> None:
    """Print the figures."""
    sys.setrecursionlimit(10_000)
    files = modules(root)
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in files.items()}
    graph = {name: set(imports(tree, set(files))) & set(files) - {name} for name, tree in trees.items()}
    folders: dict[Path, int] = defaultdict(int)
    names: dict[str, list[str]] = defaultdict(list)
    words = spans = 0
    for name, path in files.items():
        if path.name != "__init__.py":
            folders[path.parent] += 1
        place = path.relative_to(root).as_posix()
        found = [word.lower() for word in OLD_WORDS.findall(path.read_text(encoding="utf-8"))]
        of_counts = [word for word in found if COUNTS.match(place) and word.startswith("tick")]
        spans += len(of_counts)
        words += 0 if place == TABLE_OF_OLD_WORDS else len(found) - len(of_counts)
        for node in trees[name].body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                names[node.name].append(name)
    largest = sorted(folders.items(), key=lambda item: -item[1])[:5]
    print("largest folders:", ", ".join(f"{folder.relative_to(root)} {count}" for folder, count in largest))
    rings = circles(graph)
    print(f"import circles: {len(rings)}", *(f"\n  {len(ring)}: {', '.join(ring)}" for ring in rings))
    classes = {name: homes for name, homes in names.items() if len(homes) > 1 and name[0].isupper()}
    functions = {name: homes for name, homes in names.items() if len(homes) > 1 and name[0].islower()}
    print(f"classes of one name in several modules: {len(classes)}: {', '.join(sorted(classes))}")
    others = sorted(n for n, homes in functions.items() if len([h for h in homes if not SHARED.match(h)]) > 1)
    print(f"functions of one name in several modules: {len(functions)}")
    print(f"of these not commands, flows or flag systems: {len(others)}: {', '.join(others)}")
    print(f"words that the field has better ones for: {words} (besides {spans} times `tick` of a comparison's counts)")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve())
