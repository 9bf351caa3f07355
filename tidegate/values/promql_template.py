"""PromQL templates and label matchers: a closed set of names, nothing to execute, checked before use."""

import re
from datetime import timedelta
from functools import cache, lru_cache

from jinja2 import StrictUndefined, Template, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

NAMES = ("selector", "path", "window")
_ALLOWED = ", ".join("{{ " + name + " }}" for name in NAMES)
# The output is PromQL, not HTML: nothing to escape.
_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
_MATCHER = re.compile(r'\s*[a-zA-Z_][a-zA-Z0-9_]*\s*(=~|!~|!=|=)\s*"((?:[^"\\\n]|\\.)*)"\s*')
_CLOSES = {")": "(", "]": "[", "}": "{"}


def names_in(template: str) -> frozenset[str]:
    """The names a template uses; raises ValueError for anything but text and known names."""
    try:
        tree = _ENVIRONMENT.parse(template)
    except TemplateError as error:
        raise ValueError(f"found a template that cannot be read ({error}), allowed are text and {_ALLOWED}") from error
    # Text and bare names only: without attributes, calls and loops there is nothing to escape from or to wait for.
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, nodes.Output | nodes.TemplateData | nodes.Name):
            raise ValueError(f"found an expression ({type(node).__name__.lower()}), allowed are text and {_ALLOWED}")
    used = frozenset(name.name for name in tree.find_all(nodes.Name))
    if unknown := used - set(NAMES):
        raise ValueError(f"found {{{{ {min(unknown)} }}}}, allowed are {_ALLOWED}")
    return used


def check_template(template: str) -> None:
    """Refuse what cannot be rendered, or cannot be PromQL; raises ValueError."""
    names_in(template)
    _bare(_sample(template))


def check_measuring(template: str, *, counts: bool) -> None:
    """Refuse a query that would not measure one path, or (a count, a range) not over its window; raises ValueError."""
    used = names_in(template)
    bare = _bare(_sample(template))
    if not used & {"selector", "path"}:
        raise ValueError(
            "{{ selector }} is missing, allowed is a query with {{ selector }}, or {{ path }} without audience"
        )
    if "window" not in used and (counts or "[" in bare):
        raise ValueError("{{ window }} is missing, allowed is a range written as [{{ window }}]")


def check_fixed(query: str) -> None:
    """Refuse a query that has names to fill in; raises ValueError."""
    check_template(query)
    if used := names_in(query):
        raise ValueError(f"found {{{{ {min(used)} }}}}, allowed is a query without names to fill in")


def check_matchers(text: str) -> None:
    """Refuse what is not a list of label matchers, each with a value; raises ValueError."""
    position = 0
    while match := _MATCHER.match(text, position):
        if not match[2] and match[1] in ("=", "=~"):
            raise ValueError(f"found {text!r}, allowed is a matcher with a value")
        position = match.end()
        if position == len(text):
            return
        if text[position] != ",":
            break
        position += 1
    raise ValueError(f'found {text!r}, allowed are label matchers such as cohort=~"internal|staging"')


@lru_cache(maxsize=4096)
def render_query(template: str, *, selector: str, path: str, window: timedelta) -> str:
    """The query for one selection of series; `window` becomes milliseconds, which PromQL reads.

    `selector` is path and audience, `path` the variant's matcher alone, for series that have no audience label.
    """
    window_text = f"{round(window.total_seconds() * 1000)}ms"
    text = _compiled(template).render(selector=selector, path=path, window=window_text)
    return " ".join(text.split())


@cache
def _compiled(template: str) -> Template:
    # Compiling is most of what an evaluation would cost.
    return _ENVIRONMENT.from_string(template)


@lru_cache(maxsize=4096)
def selector(*matchers: str) -> str:
    """Label matchers joined, empty ones left out."""
    return ",".join(m.strip().strip(",") for m in matchers if m.strip())


def _sample(template: str) -> str:
    return render_query(template, selector='a="b"', path='a="b"', window=timedelta(minutes=1))


def _bare(query: str) -> str:
    """The query without its string literals; raises ValueError where quotes or brackets do not close."""
    bare: list[str] = []
    opened: list[str] = []
    quote, skip = "", False
    for char in query:
        if skip:
            skip = False
        elif quote:
            skip = char == "\\" and quote != "`"
            quote = "" if char == quote else quote
        elif char in "\"'`":
            quote = char
        elif char == "#":
            # Queries are joined into one line, where a comment would hide all that follows it.
            raise ValueError("found a comment (#) in a query, allowed is a comment outside of it")
        else:
            bare.append(char)
            if char in "([{":
                opened.append(char)
            elif char in ")]}" and (not opened or opened.pop() != _CLOSES[char]):
                raise ValueError(f"found {char!r} that closes nothing, allowed are balanced brackets")
    if quote or opened:
        raise ValueError(
            f"found {(quote or opened[-1])!r} that is never closed, allowed are balanced quotes and brackets"
        )
    return "".join(bare)
